package delta_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/sync/delta"
)

// Histories that the model test meets rarely or never, told one by one.

// TestRegainedWhileEmptied: what was lost is emptied to the end, page by page, although it was regained meanwhile; then it is filled again, and "more" stays
// true until it is.
func TestRegainedWhileEmptied(t *testing.T) {
	t.Parallel()
	t.Run("organization", func(t *testing.T) {
		s := newStage(t)
		for _, id := range []catalog.CourseID{"acme~a", "acme~b", "acme~c"} {
			s.course(id, catalog.Published)
		}
		p := s.phone(s.token("lea", "acme"), "org")
		s.whole(p)
		p.actor = s.token("lea", "")
		s.pages(p, 1, "-course acme~a, !org:acme, …")
		p.actor = s.token("lea", "acme")
		s.pages(p, 1, "-course acme~b, !org:acme, …", "-course acme~c, !org:acme, …", "course acme~a, …", "course acme~b, …", "course acme~c", "")
		s.whole(p)
	})
	t.Run("course", func(t *testing.T) {
		s := newStage(t)
		s.course("a", catalog.Published)
		s.lessons("a", "1", "2")
		lea := s.token("lea", "")
		s.enroll(lea, "a", catalog.Active)
		p := s.phone(lea, "courses")
		s.whole(p)
		s.enroll(lea, "a", catalog.Withdrawn)
		s.pages(p, 1, "-module a/m, !course:a, …")
		s.enroll(lea, "a", catalog.Active)
		s.pages(p, 2, "-lesson a/l0, -lesson a/l1, !course:a, …", "module a/m, lesson a/l0, …", "lesson a/l1", "")
		s.whole(p)
	})
	t.Run("lost again", func(t *testing.T) {
		s := newStage(t)
		s.course("acme~a", catalog.Published)
		s.course("acme~b", catalog.Published)
		p := s.phone(s.token("lea", "acme"), "org")
		s.whole(p)
		p.actor = s.token("lea", "")
		s.pages(p, 1, "-course acme~a, !org:acme, …")
		p.actor = s.token("lea", "acme")
		s.pages(p, 1, "-course acme~b, !org:acme, …", "course acme~a, …")
		p.actor = s.token("lea", "")
		s.pages(p, 9, "-course acme~a, -course acme~b, !org:acme", "")
		s.whole(p)
	})
}

// TestMadeWhileEmptied: what was made after the loss is not named while the channel is emptied, and comes when it is filled.
func TestMadeWhileEmptied(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.course("acme~a", catalog.Published)
	s.course("acme~b", catalog.Published)
	p := s.phone(s.token("lea", "acme"), "org")
	s.whole(p)
	p.actor = s.token("lea", "")
	s.course("acme~c", catalog.Published)
	s.pages(p, 1, "-course acme~a, !org:acme, …")
	s.course("acme~d", catalog.Published)
	s.pages(p, 9, "-course acme~b, !org:acme", "")
	p.actor = s.token("lea", "acme")
	s.pages(p, 9, "course acme~a, course acme~b, course acme~c, course acme~d")
}

// TestPublishedAfterTheLoss: of a course that was a draft while the phone followed the organization, and is published after it left, nothing is told.
func TestPublishedAfterTheLoss(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.course("acme~a", catalog.Published)
	s.course("acme~x", catalog.Draft)
	s.course("acme~y", catalog.Published)
	s.course("acme~y", catalog.Draft)
	p := s.phone(s.token("lea", "acme"), "org")
	s.whole(p)
	p.actor = s.token("lea", "")
	for range 2 { // the second change of a course notes which one published it
		s.now = s.now.Add(time.Second)
		s.course("acme~x", catalog.Published)
		s.course("acme~y", catalog.Published)
	}
	q := s.phone(p.actor, "org")
	q.cursor = p.cursor
	s.pages(p, 9, "-course acme~a, -course acme~y, !org:acme", "")
	s.drop("acme~x")
	s.course("acme~x", catalog.Published)
	s.pages(q, 9, "-course acme~a, -course acme~y, !org:acme", "")
}

// TestFirstPassOutlivesTombstones: deletions that a first pass began after may be forgotten while it lasts; those that came later may not.
func TestFirstPassOutlivesTombstones(t *testing.T) {
	t.Parallel()
	begin := func(t *testing.T) (*stage, *phone) {
		t.Helper()
		s := newStage(t)
		for _, id := range []catalog.CourseID{"a", "b", "c", "d"} {
			s.course(id, catalog.Published)
		}
		s.drop("d")
		p := s.phone(catalog.Actor{}, "catalog")
		s.pages(p, 1, "course a, …")
		return s, p
	}
	t.Run("floor at the base", func(t *testing.T) {
		s, p := begin(t)
		s.wait(100)
		s.pages(p, 1, "course b, …", "course c", "")
		s.whole(p)
	})
	t.Run("floor above the base", func(t *testing.T) {
		s, p := begin(t)
		s.drop("a")
		s.course("e", catalog.Published)
		s.wait(100)
		s.pages(p, 1, "cursor-expired")
		s.whole(p)
	})
	t.Run("deletion after the base that is not forgotten", func(t *testing.T) {
		s, p := begin(t)
		s.drop("a")
		s.wait(80)
		s.pages(p, 9, "course b, course c, -course a", "")
		s.whole(p)
	})
}

// TestAway: a phone that was away for long goes on if nothing that it must hear of was forgotten, else it starts over.
func TestAway(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.course("a", catalog.Published)
	s.course("b", catalog.Published)
	lea := s.token("lea", "")
	p := s.phone(lea, "catalog", "me")
	s.whole(p)
	s.wait(1_000)
	s.pages(p, 9, "")
	s.course("c", catalog.Published)
	s.pages(p, 9, "course c")
	s.drop("a")
	s.wait(80)
	s.as(lea, func(tx *catalog.Tx) error { _, err := tx.PutBookmark("lea", "b"); return err })
	q := s.phone(lea, "catalog", "me")
	q.cursor, q.rows = p.cursor, map[string]held{"course a": {}, "course b": {}, "course c": {}}
	s.pages(p, 9, "-course a, bookmark b")
	s.wait(20)
	s.pages(q, 9, "cursor-expired")
	s.pages(p, 9, "")
	s.whole(q)
}

// TestMadeAgainAsDraft: phones that had a course hear that it is gone, however it went. Of a draft nobody hears who comes later, and of one that was never
// published nobody at all.
func TestMadeAgainAsDraft(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.course("a", catalog.Published)
	s.course("x", catalog.Published)
	had := s.phone(catalog.Actor{}, "catalog")
	s.pages(had, 9, "course a, course x")
	before := s.phone(catalog.Actor{}, "catalog")
	before.cursor, before.rows = had.cursor, map[string]held{}
	s.drop("x")
	s.course("x", catalog.Draft)
	s.course("never", catalog.Draft)
	s.pages(s.phone(catalog.Actor{}, "catalog"), 9, "course a")
	s.pages(had, 9, "-course x", "")
	s.drop("never")
	s.course("never", catalog.Draft)
	s.drop("x")
	s.pages(s.phone(catalog.Actor{}, "catalog"), 1, "course a, …", "")
	s.course("x", catalog.Published)
	s.pages(before, 9, "course x", "")
	s.pages(had, 9, "course x", "")
}

// TestWithdrawnAndBack: who withdraws and comes back between two pulls goes on from where the lessons were, and is sent none again.
func TestWithdrawnAndBack(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.course("a", catalog.Published)
	s.lessons("a", "1", "2", "3")
	lea := s.token("lea", "")
	s.enroll(lea, "a", catalog.Active)
	p := s.phone(lea, "me", "courses")
	s.pages(p, 9, "enrollment a, module a/m, lesson a/l0, lesson a/l1, lesson a/l2")
	s.enroll(lea, "a", catalog.Withdrawn)
	s.lessons("a", "1", "2 anew", "3")
	s.enroll(lea, "a", catalog.Active)
	s.pages(p, 9, "enrollment a, lesson a/l1", "")
	s.whole(p)
}

// TestCursorsAroundARestore: cursors of before a restore are expired, those of after it are good, also when nothing else happened.
func TestCursorsAroundARestore(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.course("a", catalog.Published)
	lea := s.token("lea", "")
	p := s.phone(lea, "catalog", "me")
	s.whole(p)
	var backup strings.Builder
	if err := s.c.Log().Backup(s.ctx, &backup, nil); err != nil {
		t.Fatal(err)
	}
	s.course("b", catalog.Published)
	later := s.phone(lea, "catalog", "me")
	s.whole(later)
	s.restore(backup.String())
	for _, one := range []*phone{p, later} {
		s.pages(one, 9, "cursor-expired")
		s.whole(one)
	}
	s.pages(p, 9, "")
	s.course("c", catalog.Published)
	s.pages(p, 9, "course c", "")
}

// restore puts a backup in the log's place.
func (s *stage) restore(backup string) {
	s.Helper()
	path := filepath.Join(s.dir, "log.db")
	if err := s.c.Close(); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(backup), 0o600); err != nil {
		s.Fatal(err)
	}
	log, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: path})
	if err != nil {
		s.Fatal(err)
	}
	if err := log.Renew(s.ctx, 0); err != nil {
		s.Fatal(err)
	}
	if err := log.Close(); err != nil {
		s.Fatal(err)
	}
	s.open()
}

// TestErasedAndBack: after an erasure the same subject is somebody new. Old cursors are expired, and old clients count from one.
func TestErasedAndBack(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.course("a", catalog.Published)
	s.lessons("a", "1")
	lea := s.token("lea", "")
	s.enroll(lea, "a", catalog.Active)
	mine, lessons, public := s.phone(lea, "me"), s.phone(lea, "courses"), s.phone(lea, "catalog")
	for _, p := range []*phone{mine, lessons, public} {
		s.whole(p)
	}
	mine.do(delta.Mutation{Kind: catalog.KindBookmark, Key: "a", Op: "upsert"})
	if _, err := mine.push(s.ctx, s.s, 9, false); err != nil {
		t.Fatal(err)
	}
	s.pages(mine, 9, "bookmark a")
	s.as(lea, func(tx *catalog.Tx) error { return tx.Erase("lea") })
	lea = s.token("lea", "")
	s.enroll(lea, "a", catalog.Active)
	for _, p := range []*phone{mine, lessons} {
		p.actor = lea
		s.pages(p, 9, "cursor-expired")
		s.whole(p)
	}
	public.actor = lea
	s.pages(public, 9, "course_stats a")
	mine.do(delta.Mutation{Kind: catalog.KindBookmark, Key: "a", Op: "upsert"})
	if _, err := mine.push(s.ctx, s.s, 9, false); err != nil || len(mine.queue) != 1 || mine.queue[0].N != 1 {
		t.Fatalf("the old client goes on: %v, its queue is %v", err, mine.queue)
	}
}
