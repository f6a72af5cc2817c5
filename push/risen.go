package push

import (
	"context"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
)

// A new course has no ratings yet: a saved search that asks for some finds it later. So it is told when it has them, as it is told of a course that is
// published. A rating counts when it is higher than ever, so that nobody hears each time that it wavers, and by a tenth, so that the small steps in which it comes
// there cost nothing.

// tenths is a rating in tenths.
func tenths(rating float64) int {
	const exact = 1e-9 // 4.3 is a bit less
	return int(rating*10 + exact)
}

func idsOf(list []string) []catalog.CourseID {
	ids := make([]catalog.CourseID, len(list))
	for i, id := range list {
		ids[i] = catalog.CourseID(id)
	}
	return ids
}

// risen tells of saved searches that ask for ratings which courses have by now.
func (t *telling) risen(ctx context.Context) error {
	if t.p.cfg.Matcher == nil {
		return nil
	}
	courses, err := t.rated(ctx)
	if err != nil {
		return err
	}
	now, err := t.p.ratingsNow(ctx, courses)
	if err != nil {
		return err
	}
	by, best := finds{}, map[catalog.CourseID]catalog.CardRatings{}
	for i, id := range courses {
		var was catalog.CardRatings
		var known bool
		err := t.p.db.View(func(tx *bolt.Tx) (err error) {
			was, known, err = get[catalog.CardRatings](tx, bucketRatings, []byte(id))
			return err
		})
		if err != nil {
			return err
		}
		if known && tenths(now[i].Course) <= tenths(was.Course) && tenths(now[i].Instructors) <= tenths(was.Instructors) {
			continue
		}
		best[id] = catalog.CardRatings{Course: max(was.Course, now[i].Course), Instructors: max(was.Instructors, now[i].Instructors)}
		if !known { // it was not published yet; when it is, that is told
			continue
		}
		if err := by.take(t.p.cfg.Matcher.Risen(ctx, id, was)); err != nil {
			return err
		}
	}
	if err := t.tellSearches(ctx, by); err != nil {
		return err
	}
	return t.p.putRatings(best)
}

// rated returns the courses of a round, with those of its instructors.
func (t *telling) rated(ctx context.Context) ([]catalog.CourseID, error) {
	all := map[catalog.CourseID]bool{}
	for _, id := range t.round.Courses {
		all[catalog.CourseID(id)] = true
	}
	err := t.p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		for _, who := range t.round.Instructors {
			n := 0
			for id := range v.CoursesBy(catalog.InstructorID(who)) {
				if n++; n > maxCoursesBy {
					break
				}
				all[id] = true
			}
		}
		return nil
	})
	return slices.Sorted(maps.Keys(all)), err
}

// ratingsNow returns the ratings of courses.
func (p *Push) ratingsNow(ctx context.Context, courses []catalog.CourseID) ([]catalog.CardRatings, error) {
	list := make([]catalog.CardRatings, len(courses))
	err := p.cfg.Catalog.View(ctx, func(v *catalog.View) (err error) {
		for i, id := range courses {
			if list[i], err = v.CardRatings(id); err != nil {
				return err
			}
		}
		return nil
	})
	return list, err
}

// rememberRatings remembers the ratings that courses have now.
func (p *Push) rememberRatings(ctx context.Context, courses []catalog.CourseID) error {
	now, err := p.ratingsNow(ctx, courses)
	if err != nil {
		return err
	}
	best := map[catalog.CourseID]catalog.CardRatings{}
	for i, id := range courses {
		best[id] = now[i]
	}
	return p.putRatings(best)
}

func (p *Push) putRatings(best map[catalog.CourseID]catalog.CardRatings) error {
	return p.db.Update(func(tx *bolt.Tx) error {
		for id, ratings := range best {
			if tx.Bucket(bucketCourses).Get([]byte(id)) == nil {
				continue // it was deleted meanwhile
			}
			if err := put(tx, bucketRatings, []byte(id), ratings); err != nil {
				return err
			}
		}
		return nil
	})
}
