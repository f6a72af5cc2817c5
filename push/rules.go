package push

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// changed tells those who take courses that these changed.
func (t *telling) changed(ctx context.Context) error {
	for t.Done < len(t.round.Courses) {
		e := t.round.Each[t.Done]
		t.seq, t.at = e.First, e.At
		if err := t.changedOne(ctx, catalog.CourseID(t.round.Courses[t.Done]), e.Last); err != nil {
			return err
		}
		t.Done, t.After = t.Done+1, ""
	}
	return nil
}

// changedOne tells of one course, which changed last at a Seq. It commits nothing when nobody takes it: then the next to be told of notes how far the round is.
func (t *telling) changedOne(ctx context.Context, id catalog.CourseID, last coursesync.Seq) error {
	for after := catalog.LearnerID(t.After); ; {
		var list []wanted
		looked := 0
		err := t.p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
			list, looked = nil, 0
			rs := newReaders(v)
			for who, state := range v.LearnersOf(id, after) {
				if looked++; looked > chunk {
					break
				}
				after = who
				if state != catalog.Active {
					continue
				}
				if e, _, err := v.MyEnrollment(who, id); err != nil || e.Created > last {
					if err != nil {
						return err
					}
					continue // they never knew it otherwise
				}
				w, ok, err := t.aboutCourse(rs, who, id, catalog.RuleCourseChanged, nil)
				if err != nil {
					return err
				}
				if ok {
					list = append(list, w)
				}
			}
			return nil
		})
		if err == nil && looked > 0 {
			err = t.commit(list, string(after))
		}
		if err != nil || looked <= chunk {
			return err
		}
	}
}

// aboutCourse makes a note about a course, if the learner sees it and wants to hear of it.
func (t *telling) aboutCourse(rs *readers, who catalog.LearnerID, id catalog.CourseID, rule catalog.NotificationRule, data map[string]string) (w wanted, ok bool, err error) {
	r, err := rs.get(who)
	if err != nil {
		return w, false, err
	}
	w = wanted{who: who, subject: string(id), n: catalog.Notification{Rule: rule, Subject: catalog.Subject{Kind: catalog.KindCourse, ID: string(id)}, Data: data}}
	return t.named(rs.v, &r, w)
}

// named names the course that a note is about, if the learner sees it and wants to hear of it.
func (t *telling) named(v *catalog.View, r *reader, w wanted) (_ wanted, ok bool, err error) {
	if w.courses, ok, err = name(v, r.actor, r.locale(), &w.n, w.courses); err != nil || !ok {
		return w, false, err
	}
	return w, t.want(r, &w), nil
}

// imported tells whoever asked for an import that it is done, or failed.
func (t *telling) imported(ctx context.Context) error {
	var list []wanted
	err := t.p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		rec, err := v.Import(catalog.System, t.round.Import)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		r, err := newReaders(v).get(rec.Value.By)
		if err != nil {
			return err
		}
		w := wanted{who: rec.Value.By, subject: t.round.Import, n: catalog.Notification{
			Rule: catalog.RuleImportFinished, Subject: catalog.Subject{Kind: catalog.KindImport, ID: t.round.Import},
			Data: map[string]string{"file": shorten(cmp.Or(rec.Value.File, t.round.Import), maxName)}, Count: rec.Value.Rows.Rejected,
		}}
		if rec.Value.State == catalog.ImportFailed {
			w.n.Rule, w.n.Count = catalog.RuleImportFailed, 0
		}
		if t.want(&r, &w) {
			list = append(list, w)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return t.commit(list, "")
}

// published tells of new courses: first those whose saved searches find them, then those who know their instructors.
func (t *telling) published(ctx context.Context) error {
	if !t.Second {
		if err := t.matched(ctx); err != nil {
			return err
		}
		t.Second = true
		if err := t.commit(nil, ""); err != nil {
			return err
		}
	}
	return t.taught(ctx)
}

// found is what one saved search found in a round.
type found struct {
	first []catalog.CourseID // at most maxNamed, sorted
	count int
}

// add adds a course, in whatever order they come.
func (f *found) add(id catalog.CourseID) {
	f.count++
	i, _ := slices.BinarySearch(f.first, id)
	if i == maxNamed {
		return
	}
	if len(f.first) == maxNamed {
		f.first = f.first[:maxNamed-1]
	}
	f.first = slices.Insert(f.first, i, id)
}

// finds is what saved searches found, by their keys.
type finds map[string]found

// take adds all that a matcher finds.
func (by finds) take(matches iter.Seq2[Match, error]) error {
	for m, err := range matches {
		if err != nil {
			return err
		}
		key := catalog.OfLearner(m.Learner, string(m.Search))
		f := by[key]
		f.add(m.Course)
		by[key] = f
	}
	return nil
}

// matched tells of saved searches that find new courses.
func (t *telling) matched(ctx context.Context) error {
	if t.p.cfg.Matcher == nil {
		return nil
	}
	courses := idsOf(t.round.Courses)
	by := finds{}
	err := t.p.rememberRatings(ctx, courses) // what they are now is told with the course
	if err == nil {
		err = by.take(t.p.cfg.Matcher.Matches(ctx, courses))
	}
	if err != nil {
		return err
	}
	return t.tellSearches(ctx, by)
}

// tellSearches makes a note of all that a saved search found.
func (t *telling) tellSearches(ctx context.Context, by finds) error {
	return t.inChunks(ctx, slices.Sorted(maps.Keys(by)), func(rs *readers, key string) (wanted, bool, error) {
		return t.aboutSearch(rs, key, by[key])
	})
}

// inChunks makes notes of sorted keys, as many in one transaction as is good, from where the round was left.
func (t *telling) inChunks(ctx context.Context, sorted []string, make func(rs *readers, key string) (wanted, bool, error)) error {
	from, here := slices.BinarySearch(sorted, t.After)
	if here {
		from++
	}
	for some := range slices.Chunk(sorted[from:], chunk) {
		var list []wanted
		err := t.p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
			list = nil
			rs := newReaders(v)
			for _, key := range some {
				w, ok, err := make(rs, key)
				if err != nil {
					return err
				}
				if ok {
					list = append(list, w)
				}
			}
			return nil
		})
		if err == nil {
			err = t.commit(list, some[len(some)-1])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// aboutSearch makes the note of a saved search, if it is still there and wanted.
func (t *telling) aboutSearch(rs *readers, key string, f found) (w wanted, ok bool, err error) {
	who, id := catalog.LearnerOf(key), catalog.WithoutLearner(key)
	search, there, err := rs.v.MySavedSearch(who, catalog.SavedSearchID(id))
	if err != nil || !there || search.Value.Notify == catalog.NotifyOff {
		return w, false, err
	}
	r, err := rs.get(who)
	if err != nil {
		return w, false, err
	}
	w = wanted{who: who, subject: id, how: search.Value.Notify, courses: f.first, n: catalog.Notification{
		Rule: catalog.RuleSearchMatch, Subject: catalog.Subject{Kind: catalog.KindSavedSearch, ID: id}, Count: f.count,
		Data: map[string]string{"search": search.Value.Name},
	}}
	return t.named(rs.v, &r, w)
}

// taught tells those who rated or completed a course of one who teaches a new one. Of many new ones by the same instructor, one is told: the first that they see.
func (t *telling) taught(ctx context.Context) error {
	newest := map[catalog.InstructorID][]catalog.CourseID{}
	err := t.p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		for _, id := range t.round.Courses {
			c, ok, err := v.Course(catalog.CourseID(id))
			if err != nil {
				return err
			}
			if !ok || c.Value.State != catalog.Published {
				continue
			}
			for _, who := range c.Value.Instructors {
				if len(newest[who]) < maxNamed {
					newest[who] = append(newest[who], c.Value.ID)
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	know := map[string]bool{} // learner/instructor
	for _, who := range slices.Sorted(maps.Keys(newest)) {
		if err := t.p.knowers(ctx, who, t.round.Courses, know); err != nil {
			return err
		}
	}
	return t.inChunks(ctx, slices.Sorted(maps.Keys(know)), func(rs *readers, key string) (w wanted, ok bool, err error) {
		who, by := catalog.LearnerOf(key), catalog.InstructorID(catalog.WithoutLearner(key))
		instructor, there, err := rs.v.Instructor(by)
		if err != nil || !there {
			return w, false, err
		}
		for _, id := range newest[by] { // the first that they see
			if w, ok, err = t.aboutCourse(rs, who, id, catalog.RuleInstructorCourse, map[string]string{"instructor": instructor.Value.Name}); ok || err != nil {
				break
			}
		}
		return w, ok, err
	})
}

// knowers adds those who rated or completed a course by an instructor that is not among the new ones.
func (p *Push) knowers(ctx context.Context, by catalog.InstructorID, fresh []string, know map[string]bool) error {
	var courses []catalog.CourseID
	err := p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
		courses = nil
		for id := range v.CoursesBy(by) {
			if _, isNew := slices.BinarySearch(fresh, string(id)); !isNew && len(courses) < maxCoursesBy {
				courses = append(courses, id)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range courses {
		err := p.cfg.Catalog.View(ctx, func(v *catalog.View) error {
			n := 0
			for who := range v.RatersOf(id) {
				if n++; n > maxRaters {
					break
				}
				know[catalog.OfLearner(who, string(by))] = true
			}
			n = 0
			for who, state := range v.LearnersOf(id, "") {
				if n++; n > maxRaters {
					break
				}
				if state == catalog.Completed {
					know[catalog.OfLearner(who, string(by))] = true
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// channelOf is where readers find what a notification is about, as /v2/sync names it.
func channelOf(n *catalog.Notification) string {
	switch {
	case n.Subject.Kind != catalog.KindCourse:
		return "catalog"
	case strings.Contains(n.Subject.ID, "~"):
		return "org"
	}
	return "catalog"
}
