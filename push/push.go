// Package push tells learners of what happened while they were away: it follows the changelog, decides who is to hear of what, writes that into their
// inboxes, and sends it to their devices through a push service.
//
// # What it holds
//
// One bbolt file, push.db (store.go says what is in it): the follower's cursor with what was derived up to there, and the outbox. It names learners and
// devices and never holds a token: the catalog has those. It needs no backup; without it nothing that happened before is told, and what waited to
// be sent is lost, but not the inboxes, which are in the log.
//
// # How news travels
//
// [Push.Apply] turns changes into events, in the transaction that moves the cursor. Events settle, so that a burst is one event more than a thousand.
// Then they become notes, one for each learner, rule and subject (decide.go); notes become notifications in the inbox and messages for devices
// (deliver.go); messages are sent (send.go). Each step takes what it makes and what it used up in one transaction, and has a key of its own for each thing
// that it makes elsewhere: so nothing is lost and nothing is decided twice when the process is killed between two. A message is sent at least once: when the
// process is killed after the service took it and before that is written down, it is sent again, under the same collapse key.
//
// Beside messages that people read there are nudges (nudge.go), which tell an app without a sound that there is something to pull.
//
// The package knows no push service: see [Sender].
package push

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/locales"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Matcher finds the saved searches that find courses: whose search, which, and a course that it finds, in any order. Only courses that the learner may see
// are found. The package search has one that does not run every search.
type Matcher interface {
	Matches(ctx context.Context, courses []catalog.CourseID) iter.Seq2[Match, error]
	// Risen is Matches for a course whose ratings rose: only of searches that ask for more than they were.
	Risen(ctx context.Context, course catalog.CourseID, was catalog.CardRatings) iter.Seq2[Match, error]
}

// Match says that a learner's saved search finds a course.
type Match struct {
	Learner catalog.LearnerID
	Search  catalog.SavedSearchID
	Course  catalog.CourseID
}

// Config says what is followed and through what is sent. Path, Catalog and Texts are needed.
type Config struct {
	Path      string // the file, made when missing
	Catalog   *catalog.Catalog
	Texts     *locales.Bundle
	Matcher   Matcher                     // nil: saved searches are not looked at
	Sender    Sender                      // nil: no push service is configured; inboxes are filled nevertheless
	AsOf      func(coursesync.Seq) string // makes the token by which a pull waits for a Seq; nil: none is sent
	PublicURL string                      // under which browsers reach the pages, for links; "" sends none
	Registry  prometheus.Registerer       // nil: nothing is measured
	Now       func() time.Time            // time.Now when nil
	Logger    *slog.Logger                // slog.Default when nil
	pace      *pace                       // of tests
}

// pace says how long things take. Tests are quicker.
type pace struct {
	published, publishedMost time.Duration // how long no further course is published before it is told, and how long that, or the end of an import, is waited for at most
	rated, ratedMost         time.Duration // the same of ratings
	changed, changedMost     time.Duration // and of changes of a course
	backoff, backoffMost     time.Duration // the first and the longest wait before something is sent again
	quota                    time.Duration // the first wait after the service said that it is too much, when it did not say how long
	halted                   time.Duration // how long nothing is sent while our credentials are refused
	sending                  time.Duration // how long one call may take
	idle                     time.Duration // how often the clock is looked at when nothing happens
}

var usualPace = pace{
	published: 500 * time.Millisecond, publishedMost: 2 * time.Minute, // a program that publishes one course after another takes less for each
	rated: 5 * time.Second, ratedMost: 30 * time.Second, // sums are written every few seconds
	changed: 2 * time.Minute, changedMost: 30 * time.Minute, // an editor saves one lesson after another
	backoff: time.Second, backoffMost: time.Hour,
	quota:  time.Minute, // what Google asks for
	halted: 10 * time.Minute, sending: 30 * time.Second, idle: 15 * time.Second,
}

// Push is the follower with its outbox. Its methods are safe for concurrent use.
type Push struct {
	cfg     Config
	pace    pace
	log     *slog.Logger
	now     func() time.Time
	db      *bolt.DB
	decide  chan struct{} // has a token when there may be something to decide
	send    chan struct{} // the same for sending
	gates   gates
	metrics *metrics

	nudged   time.Time     // when all devices were last looked at; of the deciding goroutine
	swept    time.Time     // the same for old devices
	settling time.Duration // how long it took to look at all events, by the real clock
	closing  sync.Once
	closed   error
}

// Open opens or makes the file. A new one begins at the log's head: nobody is told what happened before. Errors: fault.Locked when another process holds
// it; fault.NewerFormat.
func Open(ctx context.Context, cfg Config) (*Push, error) {
	if cfg.Catalog == nil || cfg.Texts == nil {
		return nil, errors.New("push: Catalog and Texts are needed")
	}
	p := &Push{cfg: cfg, pace: usualPace, log: cfg.Logger, now: cfg.Now, decide: make(chan struct{}, 1), send: make(chan struct{}, 1)}
	if cfg.pace != nil {
		p.pace = *cfg.pace
	}
	if p.log == nil {
		p.log = slog.Default()
	}
	if p.now == nil {
		p.now = time.Now
	}
	p.metrics = newMetrics(cfg.Registry)
	var err error
	if p.db, err = openStore(cfg.Path); err != nil {
		return nil, err
	}
	if err := p.begin(ctx); err != nil {
		return nil, errors.Join(err, p.db.Close())
	}
	return p, nil
}

// begin gives a new file its cursor.
func (p *Push) begin(ctx context.Context) error {
	cursor, err := p.Cursor(ctx)
	if err != nil || cursor != (coursesync.Cursor{}) {
		return err
	}
	return p.Reset(ctx)
}

// Close closes the file; it is idempotent.
func (p *Push) Close() error {
	p.closing.Do(func() { p.closed = p.db.Close() })
	return p.closed
}

// Run decides and sends until ctx ends. What is under way when it ends is done again later.
func (p *Push) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.loop(ctx, p.decide, "deciding", p.decidePaced) })
	if p.cfg.Sender != nil {
		g.Go(func() error { return p.loop(ctx, p.send, "sending", p.sendStep) })
	}
	return g.Wait()
}

// loop calls a step when it is woken or the time has come that the step named. A step that fails is tried again: the disk may be full.
func (p *Push) loop(ctx context.Context, wake <-chan struct{}, name string, step func(context.Context) (time.Duration, error)) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
		case <-timer.C:
		}
		wait, err := step(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			p.log.ErrorContext(ctx, "push: a step failed and will be tried again", slog.String("step", name), slog.Any("error", err))
			wait = p.pace.idle
		}
		timer.Reset(min(max(wait, time.Millisecond), p.pace.idle))
	}
}

// poke wakes a loop.
func poke(wake chan<- struct{}) {
	select {
	case wake <- struct{}{}:
	default: // it will look anyway
	}
}
