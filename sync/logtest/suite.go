package logtest

import (
	"context"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// suite is a log under test. Its helpers fail the test when the log returns an error.
type suite struct {
	t   *testing.T
	log coursesync.Log
	ctx context.Context //nolint:containedctx // it is the test's
}

func (s *suite) append(batch ...coursesync.Change) coursesync.Seq {
	s.t.Helper()
	seq, err := s.log.Append(s.ctx, batch...)
	if err != nil {
		s.t.Fatalf("Append: %v", err)
	}
	return seq
}

// refuse appends and wants a code, and that nothing changed.
func (s *suite) refuse(want fault.Code, batch ...coursesync.Change) {
	s.t.Helper()
	head, all := s.head(), s.read(0)
	if seq, err := s.log.Append(s.ctx, batch...); fault.CodeOf(err) != want {
		s.t.Errorf("Append: %d, %v; want %s", seq, err, want)
	}
	if got := s.head(); got != head {
		s.t.Errorf("the head moved from %d to %d", head, got)
	}
	if !reflect.DeepEqual(all, s.read(0)) { // no diff: a body may have megabytes
		s.t.Errorf("the log changed: it held %v and holds %v", keys(all), keys(s.read(0)))
	}
}

func (s *suite) head() coursesync.Seq {
	s.t.Helper()
	head, err := s.log.Head(s.ctx)
	if err != nil {
		s.t.Fatalf("Head: %v", err)
	}
	return head
}

func (s *suite) read(from coursesync.Seq, channels ...coursesync.Channel) []coursesync.Change {
	s.t.Helper()
	var all []coursesync.Change
	for c, err := range s.log.Read(s.ctx, from, channels...) {
		if err != nil {
			s.t.Fatalf("Read: %v", err)
		}
		all = append(all, c)
	}
	return all
}

func (s *suite) get(kind coursesync.Kind, key string) (coursesync.Change, bool) {
	s.t.Helper()
	c, ok, err := s.log.Get(s.ctx, kind, key)
	if err != nil {
		s.t.Fatalf("Get: %v", err)
	}
	return c, ok
}

// must is get for an entity that has to be there.
func (s *suite) must(kind coursesync.Kind, key string) coursesync.Change {
	s.t.Helper()
	c, ok := s.get(kind, key)
	if !ok {
		s.t.Fatalf("%s %q is missing", kind, key)
	}
	return c
}

func (s *suite) floor(channel coursesync.Channel, kinds ...coursesync.Kind) coursesync.Seq {
	s.t.Helper()
	floor, err := s.log.Floor(s.ctx, channel, kinds...)
	if err != nil {
		s.t.Fatalf("Floor: %v", err)
	}
	return floor
}

// wantKeys compares the keys of changes, in order.
func (s *suite) wantKeys(got []coursesync.Change, want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, keys(got)); diff != "" {
		s.t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func keys(changes []coursesync.Change) []string {
	var all []string
	for _, c := range changes {
		all = append(all, c.Key)
	}
	return all
}

func upsert(channel coursesync.Channel, kind coursesync.Kind, key, body string) coursesync.Change {
	return coursesync.Change{Channel: channel, Kind: kind, Key: key, Op: coursesync.OpUpsert, Schema: 1, Body: []byte(body)}
}

func remove(channel coursesync.Channel, kind coursesync.Kind, key string) coursesync.Change {
	return coursesync.Change{Channel: channel, Kind: kind, Key: key, Op: coursesync.OpDelete, Schema: 1}
}

func assert(key string, seq coursesync.Seq) coursesync.Change {
	return coursesync.Change{Kind: course, Key: key, Op: coursesync.OpAssert, IfSeq: seq}
}

func erase(key string, channel coursesync.Channel) coursesync.Change {
	return coursesync.Change{Channel: staff, Kind: erasure, Key: key, Op: coursesync.OpErase, Erases: channel, Body: []byte(`{}`)}
}
