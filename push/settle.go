package push

import (
	"errors"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

// settle makes rounds of the events that are over, and returns when the next one is. Courses are published one by one or by imports: what is published while an
// import runs is told when it is done, so that it is one message, and all else half a second after the last one, so that it comes while it is news.
func (p *Push) settle(now time.Time) (next time.Time, err error) {
	err = p.db.Update(func(tx *bolt.Tx) error {
		next = time.Time{}
		var fresh []string
		var risen event
		var rated round
		s := settling{tx: tx, now: now, pace: &p.pace}
		var published event
		each(tx, bucketEvents, nil, func(k, v []byte) bool {
			e, err := decode[event](v)
			if err != nil {
				s.err = err
				return false
			}
			parts := cut(k)
			switch parts[0] {
			case eventChanged:
				s.take(e, round{Kind: eventChanged, Courses: parts[1:]}, p.pace.changed, p.pace.changedMost)
			case eventImport:
				s.take(e, round{Kind: eventImport, Import: parts[1]}, 0, 0)
			case eventRated:
				if subject := parts[len(parts)-1]; len(rated.Courses)+len(rated.Instructors) >= maxRound {
					break
				} else if len(parts) > 2 { // see instructorMark
					rated.Instructors = append(rated.Instructors, subject)
				} else {
					rated.Courses = append(rated.Courses, subject)
				}
				risen = risen.with(e)
			case eventPublished:
				if len(fresh) < maxRound {
					fresh = append(fresh, parts[1])
					published = published.with(e)
				}
			}
			return true
		})
		if len(fresh) > 0 {
			quiet := p.pace.published
			if importing(tx, now, p.pace.publishedMost) {
				quiet = p.pace.publishedMost
			}
			s.take(published, round{Kind: eventPublished, Courses: fresh}, quiet, p.pace.publishedMost)
		}
		if !risen.Begun.IsZero() {
			rated.Kind = eventRated
			s.take(risen, rated, p.pace.rated, p.pace.ratedMost)
		}
		next = s.next
		return errors.Join(s.err, s.write())
	})
	return next, err
}

// importing reports whether an import is running that began a short while ago. One that takes longer, or whose server was stopped for good, is not waited for.
func importing(tx *bolt.Tx, now time.Time, most time.Duration) (running bool) {
	each(tx, bucketImports, nil, func(_, v []byte) bool {
		begun, err := decode[time.Time](v)
		since := now.Sub(begun)
		running = err == nil && since >= 0 && since < most
		return !running
	})
	return running
}

// with is one event of two.
func (e event) with(o event) event {
	if e.Begun.IsZero() {
		return o
	}
	if o.First < e.First {
		e.First, e.At = o.First, o.At
	}
	if o.Begun.Before(e.Begun) {
		e.Begun = o.Begun
	}
	if o.Latest.After(e.Latest) {
		e.Latest = o.Latest
	}
	e.Last = max(e.Last, o.Last)
	return e
}

// settling gathers rounds.
type settling struct {
	tx     *bolt.Tx
	now    time.Time
	pace   *pace
	rounds []round
	next   time.Time
	err    error
}

// take takes a round that was quiet for long enough, or waited long enough. Else it notes when that will be. One that lies in the future does not wait for a
// clock that was set back.
func (s *settling) take(e event, r round, quiet, most time.Duration) {
	at := e.Latest.Add(quiet)
	if latest := e.Begun.Add(most); latest.Before(at) {
		at = latest
	}
	if at.After(s.now) && !e.Latest.After(s.now) {
		if s.next.IsZero() || at.Before(s.next) {
			s.next = at
		}
		return
	}
	r.Seq, r.Last, r.At = e.First, e.Last, e.At
	s.rounds = append(s.rounds, r)
}

// write puts the rounds in the place of their events.
func (s *settling) write() error {
	rounds, events := s.tx.Bucket(bucketRounds), s.tx.Bucket(bucketEvents)
	for _, r := range s.rounds {
		n, err := rounds.NextSequence()
		if err != nil {
			return err
		}
		if err := put(s.tx, bucketRounds, number(n), r); err != nil {
			return err
		}
		subjects := r.Courses
		if r.Kind == eventImport {
			subjects = []string{r.Import}
		}
		for _, id := range r.Instructors {
			subjects = append(slices.Clip(subjects), instructorMark+id)
		}
		for _, subject := range subjects {
			if err := events.Delete(join(r.Kind, subject)); err != nil {
				return err
			}
		}
	}
	return nil
}
