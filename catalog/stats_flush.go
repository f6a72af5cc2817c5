package catalog

import (
	"context"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/fault"
)

const (
	// StatsInterval is how often one entity of stats changes at most: phones and the index read each change, and a popular course is rated more often.
	StatsInterval = 5 * time.Second
	// statsTicks is how many times in an interval the flusher looks: what trails, trails at most the interval and one tick more.
	statsTicks = 5
	// statsBatch is how many stats one command writes: a transaction of some milliseconds.
	statsBatch = 500
	// repriceLimit is how many stats a tick writes because the prior drifted. They say what they said before, to a hundredth or two: there is no
	// hurry, and followers have other work.
	repriceLimit = 2_000
	// purgeEvery is how often old tombstones are removed; they are kept for 90 days, so the hour does not matter.
	purgeEvery = time.Hour
	// lastFlush bounds the flush at shutdown.
	lastFlush = 10 * time.Second
)

// statsEvery is the configured interval.
func (c *Catalog) statsEvery() time.Duration {
	if c.cfg.StatsEvery > 0 {
		return c.cfg.StatsEvery
	}
	return StatsInterval
}

// Run writes stats, settles the prior and purges old tombstones until ctx ends; it then flushes stats once more. A failure is logged and tried again
// at the next tick; Run returns nil.
func (c *Catalog) Run(ctx context.Context) error {
	tick := time.NewTicker(max(c.statsEvery()/statsTicks, time.Millisecond))
	defer tick.Stop()
	purge := time.NewTicker(purgeEvery)
	defer purge.Stop()
	failed := fault.Code("")
	for {
		var err error
		select {
		case <-tick.C:
			err = c.flush(ctx, false)
		case <-purge.C:
			_, err = c.log.Purge(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlush)
			defer cancel()
			if err := c.flushTrailing(last, true); err != nil {
				c.cfg.Logger.WarnContext(last, "catalog: stats will be written at the next start", slog.Any("error", err))
			}
			return nil
		}
		if code := fault.CodeOf(err); code != failed && ctx.Err() == nil { // a full disk is told once, not every second
			failed = code
			if err != nil {
				c.cfg.Logger.WarnContext(ctx, "catalog: upkeep failed and will be tried again", slog.Any("error", err))
			}
		}
	}
}

// FlushStats settles the prior and writes all stats that trail, now. Tests, the importer's end and shutdown call it.
func (c *Catalog) FlushStats(ctx context.Context) error { return c.flush(ctx, true) }

// flush writes what trails. Unless it is forced, entities younger than the interval wait, and so does most of what only the prior changed.
func (c *Catalog) flush(ctx context.Context, force bool) error {
	select {
	case c.learner.flushing <- struct{}{}: // two at once would only make each other run again
		defer func() { <-c.learner.flushing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := c.settlePriors(ctx); err != nil {
		return err
	}
	if err := c.flushTrailing(ctx, force); err != nil {
		return err
	}
	return c.reprice(ctx, force)
}

// settlePriors writes the priors when the means drifted away from them.
func (c *Catalog) settlePriors(ctx context.Context) error {
	drifted := false
	err := c.View(ctx, func(v *View) (err error) {
		_, drifted, err = v.means()
		return err
	})
	if err != nil || !drifted {
		return err
	}
	_, err = c.Update(ctx, System, func(tx *Tx) error {
		means, drifted, err := tx.means()
		if err != nil || !drifted {
			return err
		}
		_, err = tx.put(KindSetting, settingPriors, channelStaff, means, putOpts{})
		return err
	})
	return err
}

// means returns the means over the public catalog (the priors in use where there is no rating), and whether one of them drifted away from the
// priors in use.
func (v *View) means() (means Priors, drifted bool, err error) {
	used, err := v.Priors()
	if err != nil {
		return used, false, err
	}
	means = used
	for _, m := range []struct {
		subject string
		mean    *float64
		used    float64
	}{{subjectCourse, &means.Course, used.Course}, {subjectInstructor, &means.Instructor, used.Instructor}} {
		all, err := v.tables().overall(m.subject)
		if err != nil {
			return used, false, err
		}
		if s := all.sum(); s.N > 0 {
			*m.mean = math.Round(s.Sum/float64(s.N)*1e4) / 1e4
		}
		drifted = drifted || math.Abs(*m.mean-m.used) >= priorDrift
	}
	return means, drifted, nil
}

// flushTrailing writes the stats that lack something, in order of key, each at most once.
func (c *Catalog) flushTrailing(ctx context.Context, force bool) error {
	for after := ""; ; {
		var keys []string
		err := c.View(ctx, func(v *View) error {
			for key := range v.tables().scan(tableTrailing, "", after) {
				if keys = append(keys, string(key)); len(keys) == statsBatch {
					break
				}
			}
			return nil
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		after = keys[len(keys)-1]
		if err := c.writeStats(ctx, keys, force); err != nil {
			return err
		}
	}
}

// reprice writes the stats that were made with another prior than the one in use.
func (c *Catalog) reprice(ctx context.Context, force bool) error {
	first := ""
	for done := 0; force || done < repriceLimit; done += statsBatch {
		var keys []string
		err := c.View(ctx, func(v *View) (err error) {
			keys, err = v.mispriced(statsBatch)
			return err
		})
		if err != nil || len(keys) == 0 || keys[0] == first { // what cannot be written now is no reason to try for ever
			return err
		}
		first = keys[0]
		if err := c.writeStats(ctx, keys, true); err != nil {
			return err
		}
	}
	return nil
}

// mispriced returns the first n rated subjects whose prior is not the one in use.
func (v *View) mispriced(n int) ([]string, error) {
	priors, err := v.Priors()
	if err != nil {
		return nil, err
	}
	var keys []string
	for subject, prior := range map[string]float64{subjectCourse: priors.Course, subjectInstructor: priors.Instructor} {
		right := pricedKey(subject, prior)
		for _, after := range []string{"", right + endOfKeys} { // the right ones lie together: leap over them
			for key := range v.tables().scan(tablePriced, subject, after) {
				if len(keys) == n || after == "" && strings.HasPrefix(string(key), right) {
					break
				}
				keys = append(keys, subject+string(key[len(right):]))
			}
		}
	}
	return keys, nil
}

// writeStats brings the stats of subjects up to date, in one command.
func (c *Catalog) writeStats(ctx context.Context, keys []string, force bool) error {
	_, err := c.Update(ctx, System, func(tx *Tx) error {
		for _, key := range keys {
			subject, id := key[:1], key[1:]
			write, kind := tx.flushCourse, KindCourseStats
			if subject == subjectInstructor {
				write, kind = tx.flushInstructor, KindInstructorStats
			}
			if last, ok := tx.bv.Get(kind, id); ok && !force && tx.overlay.now.Sub(last.At) < c.statsEvery() {
				continue
			}
			if err := write(id); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// flushCourse writes a course's stats. The course is read, so that the stats of one that is being deleted do not come back.
func (tx *Tx) flushCourse(id string) error {
	if !tx.exists(KindCourse, id) {
		return nil
	}
	n, _, err := tx.numbers(CourseID(id))
	if err != nil {
		return err
	}
	_, err = tx.putStats(CourseID(id), n, putOpts{})
	return err
}

// flushInstructor writes an instructor's stats.
func (tx *Tx) flushInstructor(id string) error {
	if !tx.exists(KindInstructor, id) {
		return nil
	}
	n, err := tx.tables().instructor(InstructorID(id))
	if err != nil {
		return err
	}
	priors, err := tx.priorsNow()
	if err != nil {
		return err
	}
	total := n.Total.sum()
	stats := InstructorStats{Total: total, Prior: priors.Instructor, Rating: rating(priors.Instructor, total)}
	_, err = tx.put(KindInstructorStats, id, catalogChannel(id), stats, putOpts{})
	return err
}
