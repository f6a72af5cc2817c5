package push

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
)

const (
	// maxDead is how many dead letters are kept, the latest: whoever looks wants to see what goes wrong, not all of it.
	maxDead = 1_000
	// keepDays is how many days are counted.
	keepDays = 30
	// maxDetail bounds what is kept of a service's words, in bytes.
	maxDetail = 500
)

// DeadLetter is a message that will not be sent.
type DeadLetter struct {
	At       time.Time                `json:"at"`
	Learner  catalog.LearnerID        `json:"learner"`
	Device   catalog.DeviceID         `json:"device"`
	Platform catalog.Platform         `json:"platform,omitempty"`
	Rule     catalog.NotificationRule `json:"rule,omitempty"` // "" of a bundle or a nudge
	Reason   Reason                   `json:"reason"`
	Detail   string                   `json:"detail,omitempty"`
	Attempts int                      `json:"attempts"`
}

func addDead(tx *bolt.Tx, m *message, o Outcome, platform catalog.Platform, now time.Time) error {
	b := tx.Bucket(bucketDead)
	n, err := b.NextSequence()
	if err != nil {
		return err
	}
	letter := DeadLetter{
		At: now, Learner: m.Learner, Device: m.Device, Platform: platform, Reason: o.Reason, Detail: shorten(o.Detail, maxDetail), Attempts: m.Attempts,
	}
	if o.Reason != ReasonExpired {
		letter.Attempts++
	}
	if m.Value != nil {
		letter.Rule = m.Value.Rule
	}
	if err := put(tx, bucketDead, number(n), letter); err != nil || n <= maxDead {
		return err
	}
	return b.Delete(number(n - maxDead))
}

// forgetDead drops the dead letters of a learner.
func forgetDead(tx *bolt.Tx, who catalog.LearnerID) error {
	for _, key := range keys(tx, bucketDead, nil) {
		letter, ok, err := get[DeadLetter](tx, bucketDead, key)
		if err != nil {
			return err
		}
		if ok && letter.Learner == who {
			if err := tx.Bucket(bucketDead).Delete(key); err != nil {
				return err
			}
		}
	}
	return nil
}

// DayCount is what was sent on a day (UTC), and what was not.
type DayCount struct {
	Date   string         `json:"date"`
	Sent   int            `json:"sent"`
	Unsent map[Reason]int `json:"unsent,omitempty"` // by why; one that is tried again counts each time
}

func countDay(tx *bolt.Tx, now time.Time, sent int, unsent map[Reason]int) error {
	if sent == 0 && len(unsent) == 0 {
		return nil
	}
	date := now.UTC().Format(time.DateOnly)
	day, had, err := get[DayCount](tx, bucketDays, []byte(date))
	if err != nil {
		return err
	}
	day.Date, day.Sent = date, day.Sent+sent
	for why, n := range unsent {
		if day.Unsent == nil {
			day.Unsent = map[Reason]int{}
		}
		day.Unsent[why] += n
	}
	if !had {
		for _, old := range keys(tx, bucketDays, nil) {
			if string(old) < now.UTC().AddDate(0, 0, -keepDays).Format(time.DateOnly) {
				if err := tx.Bucket(bucketDays).Delete(old); err != nil {
					return err
				}
			}
		}
	}
	return put(tx, bucketDays, []byte(date), day)
}

// Status says how the outbox is.
type Status struct {
	Configured bool         // there is a push service
	Undecided  int          // what happened and may happen again before it is told, or is being told
	Notes      int          // notifications that wait for their digest
	Queued     int          // messages that wait
	Oldest     time.Time    // since when what waits longest should have been told or sent; zero when nothing is late. Who waits for a morning is not late
	Held       Reason       // why nothing is sent now; "" when nothing holds it
	Until      time.Time    // how long
	Alarm      bool         // our credentials are refused
	Days       []DayCount   // the latest first
	Dead       []DeadLetter // the latest first
	DeadCount  int
}

// Status reads how the outbox is, with so many dead letters and days.
func (p *Push) Status(letters, days int) (Status, error) {
	s := Status{Configured: p.cfg.Sender != nil}
	if until, why, alarm := p.gates.state(); until.After(p.now()) {
		s.Held, s.Until, s.Alarm = why, until, alarm
	}
	err := p.db.View(func(tx *bolt.Tx) error {
		s.Undecided = tx.Bucket(bucketEvents).Stats().KeyN + tx.Bucket(bucketRounds).Stats().KeyN
		s.Notes, s.Queued, s.DeadCount = tx.Bucket(bucketNotes).Stats().KeyN, tx.Bucket(bucketMessage).Stats().KeyN, tx.Bucket(bucketDead).Stats().KeyN
		var err error
		if s.Oldest, err = oldest(tx, p.now()); err != nil {
			return err
		}
		if s.Dead, err = latest[DeadLetter](tx, bucketDead, letters); err != nil {
			return err
		}
		s.Days, err = latest[DayCount](tx, bucketDays, days)
		return err
	})
	return s, err
}

// maxOldest bounds the messages that are looked at for the oldest. Those that are tried again are due within an hour, before those that wait for a morning.
const maxOldest = 1_000

// oldest returns since when what waits longest should have been told or sent; the zero time when nothing is late.
func oldest(tx *bolt.Tx, now time.Time) (since time.Time, err error) {
	if notes, _ := due(tx, bucketDueNote, now, 1); len(notes) > 0 {
		since, _ = momentOf(notes[0])
	}
	looked := 0
	each(tx, bucketDue, nil, func(k, _ []byte) bool {
		var m message
		_, key := momentOf(k)
		if m, _, err = get[message](tx, bucketMessage, key); err != nil {
			return false
		}
		if !m.Since.After(now) && (since.IsZero() || m.Since.Before(since)) {
			since = m.Since
		}
		looked++
		return looked < maxOldest
	})
	return since, err
}

// latest returns the last rows of a bucket, the last first.
func latest[T any](tx *bolt.Tx, bucket []byte, most int) (list []T, err error) {
	c := tx.Bucket(bucket).Cursor()
	for k, v := c.Last(); k != nil && len(list) < most; k, v = c.Prev() {
		row, err := decode[T](v)
		if err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, nil
}

// metrics are what is measured. Labels are the reasons, which are ours.
type metrics struct {
	messages *prometheus.CounterVec
	failures *prometheus.CounterVec
	delay    *prometheus.HistogramVec
	halted   prometheus.Gauge
}

// delayBuckets, in seconds: what is told at once takes some, a digest half a day.
var delayBuckets = []float64{.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 43200, 86400}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "carrel_push_sent_total", Help: "Messages that the push service took.",
		}, []string{"type"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "carrel_push_unsent_total", Help: "Messages and notifications that were not sent, by why; one that is tried again counts each time.",
		}, []string{"reason"}),
		delay: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "carrel_push_delay_seconds", Help: "From the commit of a change until the push service took the message of it.", Buckets: delayBuckets,
		}, []string{"type"}),
		halted: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "carrel_push_halted", Help: "1 while the push service refuses our credentials and nothing is sent.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.messages, m.failures, m.delay, m.halted)
	}
	return m
}

func (m *metrics) sent(nudge bool, delay time.Duration) {
	kind := "message"
	if nudge {
		kind = "nudge"
	}
	m.messages.WithLabelValues(kind).Inc()
	m.delay.WithLabelValues(kind).Observe(delay.Seconds())
}

func (m *metrics) unsent(by map[Reason]int) {
	for why, n := range by {
		m.failures.WithLabelValues(string(why)).Add(float64(n))
	}
}
