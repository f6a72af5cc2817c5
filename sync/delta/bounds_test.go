package delta_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/sync/delta"
)

// TestTooManyCourses: a cursor follows as many courses as it promises, from the first page to the last, and what is beyond is a clear error.
func TestTooManyCourses(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	lea := s.token("lea", "")
	for i := range delta.MaxCourses {
		id := catalog.CourseID(fmt.Sprintf("course-with-a-rather-long-name-%04d", i))
		s.course(id, catalog.Published)
		s.lessons(id, "1")
		s.enroll(lea, id, catalog.Active)
	}
	p := s.phone(lea, "courses")
	for range 3 {
		s.pulled(p, 700)
	}
	for i := range delta.MaxCourses { // all places move
		if i%100 == 0 {
			s.lessons(catalog.CourseID(fmt.Sprintf("course-with-a-rather-long-name-%04d", i)), "2")
		}
	}
	s.whole(p)
	if len(p.rows) != 2*delta.MaxCourses {
		t.Fatalf("%d rows of %d courses", len(p.rows), delta.MaxCourses)
	}
	t.Logf("the cursor has %d bytes", len(p.cursor))
	for i := range delta.MaxNamed + 1 {
		id := catalog.CourseID(fmt.Sprint("more-", i))
		s.course(id, catalog.Published)
		s.enroll(lea, id, catalog.Active)
	}
	for _, one := range []*phone{p, s.phone(lea, "courses")} {
		_, err := s.s.Pull(s.ctx, one.request(0))
		if !fault.Is(err, fault.InvalidParameter) || tooMany(err) != "channels" {
			t.Errorf("too many courses: %v", err)
		}
	}
	s.pages(s.phone(lea, "course:more-1"), 9, "") // by name it goes on
}

// TestPagesAreBounded: pages of large lessons end at a megabyte, and a row that is larger than that comes alone.
func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.course("a", catalog.Published)
	large, huge := "<p>"+strings.Repeat("x", 300<<10)+"</p>", "<p>"+strings.Repeat("x", 1<<20-7)+"</p>"
	s.lessons("a", large, large, large, large, huge, "small", huge, "small")
	lea := s.token("lea", "")
	s.enroll(lea, "a", catalog.Active)
	p := s.phone(lea, "courses")
	more := true
	for n := 0; more; n++ {
		page, err := s.s.Pull(s.ctx, p.request(0))
		if err != nil {
			t.Fatal(err)
		}
		if err := p.apply(page); err != nil {
			t.Fatal(err)
		}
		size := 0
		for _, row := range page.Changes {
			size += len(row)
		}
		if len(page.Changes) == 0 || size > delta.MaxPage && len(page.Changes) > 1 || n > 9 {
			t.Fatalf("page %d has %d rows of %d bytes", n, len(page.Changes), size)
		}
		more = page.More
	}
	s.whole(p)
	if len(p.rows) != 9 || len(p.rows["lesson a/l4"].doc) <= delta.MaxPage {
		t.Errorf("%d rows came, the largest of %d bytes", len(p.rows), len(p.rows["lesson a/l4"].doc))
	}
}

// TestLastMutation: a pull tells the number of a client's last mutation, of this learner's client only.
func TestLastMutation(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.course("a", catalog.Published)
	lea := s.token("lea", "")
	p, other := s.phone(lea, "me"), s.phone(s.token("leo", ""), "me")
	for range 3 {
		p.do(delta.Mutation{Kind: catalog.KindBookmark, Key: "a", Op: "upsert"})
	}
	for sent := range 4 {
		for _, one := range []struct {
			p    *phone
			want uint64
		}{{p, uint64(sent)}, {other, 0}} {
			page, err := s.s.Pull(s.ctx, one.p.request(0))
			if err != nil || page.LastMutation == nil || *page.LastMutation != one.want {
				t.Fatalf("after %d mutations of lea's, %s's last one is %v, %v", sent, one.p.who, page.LastMutation, err)
			}
		}
		if _, err := p.push(s.ctx, s.s, 1, false); err != nil {
			t.Fatal(err)
		}
	}
	p.client = ""
	if page, err := s.s.Pull(s.ctx, p.request(0)); err != nil || page.LastMutation != nil {
		t.Errorf("who names no client is told %v, %v", page.LastMutation, err)
	}
}

// TestClientsAreBounded: a learner's clients are so many; those that there are go on, and those of others too.
func TestClientsAreBounded(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.course("a", catalog.Published)
	lea, leo := s.token("lea", ""), s.token("leo", "")
	push := func(actor catalog.Actor, client string, n uint64) error {
		_, err := s.s.Push(s.ctx, delta.Push{Actor: actor, Subject: actor.Subject, Client: client, Mutations: []delta.Mutation{{N: n, Kind: catalog.KindBookmark, Key: "a", Op: "upsert"}}})
		return err
	}
	const bound = 1_000 // docs/sync.md
	for i := range bound {
		if err := push(lea, fmt.Sprint("c", i), 1); err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
	}
	err := push(lea, "one-more", 1)
	if !fault.Is(err, fault.InvalidFields) || tooMany(err) != "/client" {
		t.Errorf("one client too many: %v", err)
	}
	for _, err := range []error{push(lea, "c0", 2), push(leo, "one-more", 1)} {
		if err != nil {
			t.Error(err)
		}
	}
}

// tooMany is of what an error says that there is too much.
func tooMany(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) || len(f.Fields) != 1 || f.Fields[0].Code != fault.TooMany {
		return ""
	}
	return f.Fields[0].Pointer
}
