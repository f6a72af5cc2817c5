package push

import (
	"hash/fnv"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// What a material change is, is said here and nowhere else: what somebody who takes a course has to know of. That is
//
//   - its title in its own language,
//   - when it starts and when it ends,
//   - its state: archived, or back from being a draft (a draft itself is hidden, and so is the news of it),
//   - its content: modules, lessons and files that come or go, and in its own language their titles and the lessons' texts.
//
// All else is not: translations, tags, pictures, prices, descriptions, when one may enroll (they have), the order of lessons, ratings and counts.

// courseMark is what is remembered of a course, to know a material change by.
type courseMark struct {
	Title    uint64         `json:"title"` // a hash
	Starts   int64          `json:"starts,omitempty"`
	Ends     int64          `json:"ends,omitempty"`
	State    catalog.State  `json:"state"`
	Language catalog.Locale `json:"language"`
	Ever     bool           `json:"ever,omitempty"` // readers have seen it: it is not new any more
}

func markOf(c *catalog.Course) courseMark {
	return courseMark{
		Title: hash(c.Title), Starts: seconds(c.StartsAt), Ends: seconds(c.EndsAt), State: c.State, Language: c.Language,
		Ever: c.State != catalog.Draft,
	}
}

// material reports whether a course that readers knew differs for those who take it.
func (m courseMark) material(now courseMark) bool {
	return m.Ever && now.State != catalog.Draft && (m.Title != now.Title || m.Starts != now.Starts || m.Ends != now.Ends || m.State != now.State)
}

func seconds(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.Unix()
}

// partMark is what is remembered of a module, a lesson or a file: a hash of what is material.
type partMark uint64

func partOf(ch *coursesync.Change, language catalog.Locale) (partMark, error) {
	switch ch.Kind {
	case catalog.KindModule:
		m, err := catalog.Decode[catalog.Module](*ch)
		return partMark(hash(m.Value.Title[language])), err
	case catalog.KindLesson:
		l, err := catalog.Decode[catalog.Lesson](*ch)
		return partMark(hash(l.Value.Title[language], l.Value.Body[language])), err
	}
	a, err := catalog.Decode[catalog.Asset](*ch)
	return partMark(hash(a.Value.Name, a.Value.SHA256)), err
}

// hash makes a number of texts. Two that differ and have the same one would cost a message that nobody gets, once in 10^19.
func hash(texts ...string) uint64 {
	h := fnv.New64a()
	for _, text := range texts {
		_, _ = h.Write([]byte(text)) // never fails
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64()
}
