package delta_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/sync/delta"
)

// stage is a server for histories that are told step by step.
type stage struct {
	*testing.T
	ctx context.Context //nolint:containedctx // of one history
	now time.Time
	dir string
	c   *catalog.Catalog
	s   *delta.Service
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t, ctx: t.Context(), now: time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC), dir: fastDir(t)}
	s.open()
	t.Cleanup(func() { _ = s.c.Close() })
	return s
}

func (s *stage) open() {
	s.Helper()
	c, err := catalog.Open(catalog.Config{
		Path: filepath.Join(s.dir, "log.db"), Secrets: filepath.Join(s.dir, "secrets"), Now: func() time.Time { return s.now }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.Fatal(err)
	}
	s.c, s.s = c, delta.New(delta.Config{Catalog: c, Now: func() time.Time { return s.now }})
}

// phone is a phone of a learner that follows channels.
func (s *stage) phone(actor catalog.Actor, channels ...string) *phone {
	p := &phone{who: actor.Subject, actor: actor, channels: channels, locale: "en", rows: map[string]held{}, next: 1}
	if !actor.Anonymous() {
		p.client = "phone"
	}
	return p
}

// token is a new token of a learner, put on record.
func (s *stage) token(who catalog.LearnerID, org catalog.OrgID) catalog.Actor {
	s.Helper()
	s.now = s.now.Add(2 * time.Second)
	actor := catalog.Actor{Subject: who, Org: org, IssuedAt: s.now.Unix()}
	s.as(actor, func(tx *catalog.Tx) error { return tx.RecordMembership() })
	return actor
}

func (s *stage) as(actor catalog.Actor, fn func(tx *catalog.Tx) error) {
	s.Helper()
	if _, err := s.c.Update(s.ctx, actor, fn); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) course(id catalog.CourseID, state catalog.State) {
	s.Helper()
	s.as(catalog.System, func(tx *catalog.Tx) error {
		_, err := tx.PutCourse(catalog.Course{ID: id, Text: catalog.Text{Title: fmt.Sprint(id, s.now.Unix())}, Language: "en", State: state}, catalog.Cond{})
		return err
	})
}

func (s *stage) drop(id catalog.CourseID) {
	s.Helper()
	s.as(catalog.System, func(tx *catalog.Tx) error { return tx.DeleteCourse(id, catalog.Cond{}) })
}

// lessons gives a course lessons, in order, each with a body.
func (s *stage) lessons(id catalog.CourseID, bodies ...string) {
	s.Helper()
	content := catalog.Content{Modules: []catalog.Module{{ID: "m", Title: map[catalog.Locale]string{"en": "M"}}}}
	for i, body := range bodies {
		content.Lessons = append(content.Lessons, catalog.Lesson{
			ID: fmt.Sprint("l", i), Module: "m", Position: i + 1, Title: map[catalog.Locale]string{"en": "L"}, Body: map[catalog.Locale]string{"en": body},
		})
	}
	s.as(catalog.System, func(tx *catalog.Tx) error {
		_, err := tx.PutContent(id, content, catalog.Cond{})
		return err
	})
}

func (s *stage) enroll(actor catalog.Actor, id catalog.CourseID, state catalog.EnrollmentState) {
	s.Helper()
	s.as(actor, func(tx *catalog.Tx) error {
		_, err := tx.PutEnrollment(actor.Subject, id, state, catalog.Cond{})
		return err
	})
}

// wait lets days pass, and forgets deletions that are old enough.
func (s *stage) wait(days int) {
	s.Helper()
	s.now = s.now.Add(time.Duration(days) * 24 * time.Hour)
	if _, err := s.c.Log().Purge(s.ctx); err != nil {
		s.Fatal(err)
	}
}

// pulled is what a phone gets by one page: "kind id" of rows, "-kind id" of deletes, in order, then "…" when there is more.
func (s *stage) pulled(p *phone, limit int) string {
	s.Helper()
	page, err := s.s.Pull(s.ctx, p.request(limit))
	if err != nil {
		return string(fault.CodeOf(err))
	}
	if err := p.apply(page); err != nil {
		s.Fatal(err)
	}
	var got []string
	for _, raw := range page.Changes {
		var w wire
		if err := json.Unmarshal(raw, &w); err != nil {
			s.Fatal(err)
		}
		name := w.name()
		if w.Op == "delete" {
			name = "-" + name
		}
		got = append(got, name)
	}
	for _, ch := range page.Revoked {
		got = append(got, "!"+ch)
	}
	if page.More {
		got = append(got, "…")
	}
	return strings.Join(got, ", ")
}

// pages holds the pages that a phone gets against what is expected.
func (s *stage) pages(p *phone, limit int, want ...string) {
	s.Helper()
	var got []string
	for range want {
		got = append(got, s.pulled(p, limit))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.Fatalf("pages (-want +got):\n%s", diff)
	}
}

// whole lets a phone catch up and compares it with a new one, and both with the digest.
func (s *stage) whole(p *phone) {
	s.Helper()
	fresh := s.phone(p.actor, p.channels...)
	fresh.locale, fresh.fields = p.locale, p.fields
	for _, one := range []*phone{p, fresh} {
		for n := 0; ; n++ {
			more, err := one.pull(s.ctx, s.s, 0, false)
			if err != nil {
				s.Fatal(err)
			}
			if !more {
				break
			}
			if n > 1_000 {
				s.Fatal("pulling never ends")
			}
		}
	}
	if diff := cmp.Diff(fresh.rows, p.rows, cmp.AllowUnexported(held{})); diff != "" {
		s.Fatalf("the phone has not what a new one gets (-new +old):\n%s", diff)
	}
	digest, err := s.s.Digest(s.ctx, p.request(0))
	if err != nil {
		s.Fatal(err)
	}
	count := uint64(0)
	for _, kinds := range digest {
		for _, sum := range kinds {
			count += uint64(sum.Count)
		}
	}
	if count != uint64(len(p.rows)) {
		s.Fatalf("the digest counts %d rows, the phone has %d", count, len(p.rows))
	}
}
