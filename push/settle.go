package push

import (
	"context"
	"errors"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// settleLong is how long settling takes when there are thousands of events, after an import. Then there is a pause, however much happens: as long as makes
	// settling a tenth of the time.
	settleLong  = 20 * time.Millisecond
	settleShare = 10
)

// decidePaced is decideStep with that pause.
func (p *Push) decidePaced(ctx context.Context) (time.Duration, error) {
	wait, err := p.decideStep(ctx)
	if err == nil && p.settling > settleLong {
		err = rest(ctx, settleShare*p.settling)
	}
	return wait, err
}

// settle makes rounds of the events that are over, and returns when the next one is. Courses are published one by one or by imports: what is published while an
// import runs is told when it is done, so that it is one message, and all else half a second after the last one, so that it comes while it is news. What an
// import changes is told a while after its end, all of it at the same time.
func (p *Push) settle(now time.Time) (next time.Time, err error) {
	err = p.db.Update(func(tx *bolt.Tx) error {
		next = time.Time{}
		var fresh []string
		var risen event
		var rated, changed round
		imported, _, err := get[time.Time](tx, bucketMeta, keyImported)
		if err != nil {
			return err
		}
		importing := importing(tx, now)
		due := false
		s := settling{tx: tx, now: now}
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
				quiet := p.pace.changed
				if since := imported.Sub(e.Latest); since > 0 && !imported.After(now) {
					quiet += since
				}
				if importing {
					quiet = p.pace.changedMost
				}
				if over := s.over(e, quiet, p.pace.changedMost); len(changed.Courses) < maxRound && (over || importing) {
					changed.Courses, changed.Each = append(changed.Courses, parts[1]), append(changed.Each, e)
					due = due || over
				}
			case eventImport:
				if s.over(e, 0, 0) {
					s.rounds = append(s.rounds, e.round(round{Kind: eventImport, Import: parts[1]}))
				}
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
		if due { // when one has waited for long enough, none of an import waits longer
			changed.Kind = eventChanged
			s.rounds = append(s.rounds, changed)
		}
		if len(fresh) > 0 {
			quiet := p.pace.published
			if importing {
				quiet = p.pace.publishedMost
			}
			if s.over(published, quiet, p.pace.publishedMost) {
				s.rounds = append(s.rounds, published.round(round{Kind: eventPublished, Courses: fresh}))
			}
		}
		if rated.Kind = eventRated; !risen.Begun.IsZero() && s.over(risen, p.pace.rated, p.pace.ratedMost) {
			s.rounds = append(s.rounds, risen.round(rated))
		}
		next = s.next
		return errors.Join(s.err, s.write())
	})
	return next, err
}

// maxImport is how long an import may take: one that is longer in the log as running belongs to a server that was stopped for good.
const maxImport = 24 * time.Hour

// importing reports whether an import is running.
func importing(tx *bolt.Tx, now time.Time) (running bool) {
	each(tx, bucketImports, nil, func(_, v []byte) bool {
		begun, err := decode[time.Time](v)
		since := now.Sub(begun)
		running = err == nil && since >= 0 && since < maxImport
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

// round says when what a round tells of was.
func (e *event) round(r round) round {
	r.Seq, r.At = e.First, e.At
	return r
}

// settling gathers rounds.
type settling struct {
	tx     *bolt.Tx
	now    time.Time
	rounds []round
	next   time.Time
	err    error
}

// over reports whether an event was quiet for long enough, or waited long enough. Else it notes when that will be. One that lies in the future does not wait
// for a clock that was set back.
func (s *settling) over(e event, quiet, most time.Duration) bool {
	at := e.Latest.Add(quiet)
	if latest := e.Begun.Add(most); latest.Before(at) {
		at = latest
	}
	if at.After(s.now) && !e.Latest.After(s.now) {
		if s.next.IsZero() || at.Before(s.next) {
			s.next = at
		}
		return false
	}
	return true
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
