package insight

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

const (
	// MaxListed bounds the lists of a report: who needs more needs a shorter period.
	MaxListed = 100
	// reportsAtOnce bounds the reports under way, each of which may add up some 100,000 rows.
	reportsAtOnce = 2
	// lookEvery is after how many rows a report looks whether it is still wanted.
	lookEvery = 1000
)

// Scope says what a report is about.
type Scope struct {
	Org    catalog.OrgID  // "" is the public
	Locale catalog.Locale // of the searches; "" is all languages
	Days   int            // up to today; 1 to KeepDays
	Listed int            // entries of a list; 1 to MaxListed
}

// Report is what was searched for in a scope.
type Report struct {
	Days      []Day   `json:"days"` // every day of the period, the last one today
	Top       []Query `json:"top"`
	NoResults []Miss  `json:"no_results"`
	Totals    Totals  `json:"totals"`
}

// Day is the numbers of a day.
type Day struct {
	Date      string `json:"date"` // of UTC
	Searches  int    `json:"searches"`
	NoResults int    `json:"no_results"`
	Clicks    int    `json:"clicks"`
	Enrolls   int    `json:"enrolls"`
}

// Totals are the numbers of the whole period.
type Totals struct {
	Searches   int      `json:"searches"`
	NoResults  int      `json:"no_results"` // filters included
	Relaxed    int      `json:"relaxed"`
	Corrected  int      `json:"corrected"`
	Clicks     int      `json:"clicks"`
	Enrolls    int      `json:"enrolls"`
	CTR        *float64 `json:"ctr"`                      // searches with a click, as a share of all; null without searches
	Position   *float64 `json:"mean_position"`            // of the clicks; null without clicks
	Reciprocal *float64 `json:"mean_reciprocal_position"` // the mean of 1/position
}

// Query is a query with what became of it.
type Query struct {
	Query     string   `json:"query"`
	Count     int      `json:"count"`
	NoResults int      `json:"no_results"` // found nothing without a filter
	Clicks    int      `json:"clicks"`
	Enrolls   int      `json:"enrolls"`
	CTR       float64  `json:"ctr"`
	Position  *float64 `json:"mean_position"`
}

// Miss is a query that found nothing without a filter when it was asked last.
type Miss struct {
	Query string `json:"query"`
	Count int    `json:"count"` // how often it found nothing
	Last  string `json:"last"`  // the day
}

// line is a query over a period.
type line struct {
	row
	key  string
	last day // on which it found nothing
}

// Report adds a period up. What waits to be written is written first, so that it is in the report.
func (s *Store) Report(ctx context.Context, sc Scope) (*Report, error) {
	select {
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.Flush()
	sc.Days, sc.Listed = min(max(sc.Days, 1), KeepDays), min(max(sc.Listed, 1), MaxListed)
	groups := []group{{sc.Org, sc.Locale}}
	if sc.Locale == "" {
		groups = groups[:0]
		for _, l := range languages {
			groups = append(groups, group{sc.Org, l})
		}
	}
	today := dayOf(s.cfg.Now())
	sum := reader{ctx: ctx, lines: map[string]*line{}}
	report := &Report{Days: make([]Day, 0, sc.Days)}
	err := s.view(func(tx *bolt.Tx) error {
		for d := today - day(sc.Days) + 1; d <= today; d++ { //nolint:gosec // at most KeepDays
			of, err := sum.day(tx, d, groups)
			if err != nil {
				return err
			}
			report.Days = append(report.Days, of)
		}
		return nil
	})
	if err != nil {
		return nil, fault.Wrap("insight.Report", codeOf(err), err)
	}
	report.Totals = sum.totals.show()
	report.Top, report.NoResults = sum.top(sc.Listed), sum.misses(sc.Listed)
	return report, nil
}

// codeOf gives an error of a report its code: a caller who has gone is nobody's fault.
func codeOf(err error) fault.Code {
	switch {
	case fault.Is(err, fault.NotReady):
		return fault.NotReady
	case err == context.Canceled, err == context.DeadlineExceeded: //nolint:errorlint // never wrapped: see day
		return fault.Overloaded
	}
	return fault.Internal
}

// reader adds rows up.
type reader struct {
	ctx    context.Context //nolint:containedctx // of one report
	rows   int
	totals totals
	lines  map[string]*line
}

func (r *reader) day(tx *bolt.Tx, d day, groups []group) (Day, error) {
	var sum totals
	for _, in := range groups {
		key := groupKey(d, in)
		v := tx.Bucket(bucketTotals).Get(key)
		if v == nil {
			continue
		}
		t, ok := decodeTotals(v)
		if !ok {
			return Day{}, errDamaged
		}
		sum.add(t)
		if err := r.queries(tx, key, d); err != nil {
			return Day{}, err
		}
	}
	r.totals.add(sum)
	return Day{d.String(), number(sum.searches), number(sum.none), number(sum.clicks), number(sum.enrolls)}, nil
}

func (r *reader) queries(tx *bolt.Tx, prefix []byte, d day) error {
	c := tx.Bucket(bucketQueries).Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if r.rows++; r.rows%lookEvery == 0 && r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		add, text, ok := decodeNumbers(v)
		if !ok {
			return errDamaged
		}
		l := r.lines[string(k[len(prefix):])]
		if l == nil {
			l = &line{key: string(k[len(prefix):])}
			r.lines[l.key] = l
		}
		if len(text) > len(l.text) {
			l.text = string(text)
		}
		l.add(add) // days come in their order: the last one decides whether it is missed
		if add.none > 0 {
			l.last = d
		}
	}
	return nil
}

// top lists the queries asked most.
func (r *reader) top(n int) []Query {
	lines := r.first(n, func(l *line) uint64 { return l.count })
	list := make([]Query, 0, len(lines))
	for _, l := range lines {
		q := Query{Query: l.text, Count: number(l.count), NoResults: number(l.none), Clicks: number(l.clicks), Enrolls: number(l.enrolls)}
		q.CTR = *ratio(float64(min(l.clicked, l.count)), l.count) // a click may belong to a search that was merged into the next
		q.Position = ratio(float64(l.places), l.clicks)
		list = append(list, q)
	}
	return list
}

// misses lists the queries that found nothing most often, and still did when they were asked last.
func (r *reader) misses(n int) []Miss {
	lines := r.first(n, func(l *line) uint64 { return l.none * one(l.missed) })
	list := make([]Miss, 0, len(lines))
	for _, l := range lines {
		list = append(list, Miss{Query: l.text, Count: number(l.none), Last: l.last.String()})
	}
	return list
}

// first returns the n lines with the largest measure, if it is not 0.
func (r *reader) first(n int, measure func(*line) uint64) []*line {
	var list []*line
	for _, l := range r.lines {
		if measure(l) > 0 {
			list = append(list, l)
		}
	}
	slices.SortFunc(list, func(a, b *line) int {
		return cmp.Or(cmp.Compare(measure(b), measure(a)), strings.Compare(a.key, b.key))
	})
	return list[:min(n, len(list))]
}

func (t *totals) show() Totals {
	return Totals{
		Searches: number(t.searches), NoResults: number(t.none), Relaxed: number(t.relaxed), Corrected: number(t.fixed),
		Clicks: number(t.clicks), Enrolls: number(t.enrolls),
		CTR: ratio(float64(min(t.clicked, t.searches)), t.searches), Position: ratio(float64(t.places), t.clicks), Reciprocal: ratio(t.reciprocal, t.clicks),
	}
}

// ratio divides, to four decimals; nil by nothing.
func ratio(a float64, b uint64) *float64 {
	if b == 0 {
		return nil
	}
	const decimals = 10_000
	v := math.Round(a/float64(b)*decimals) / decimals
	return &v
}

func number(n uint64) int { return int(min(n, math.MaxInt)) }

// Orgs lists the organizations of which there are numbers, the public ("") first.
func (s *Store) Orgs() ([]catalog.OrgID, error) {
	var list []catalog.OrgID
	err := s.view(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketOrgs).ForEach(func(k, _ []byte) error {
			name, _, ok := splitName(k)
			if !ok {
				return errDamaged
			}
			list = append(list, catalog.OrgID(name))
			return nil
		})
	})
	if err != nil {
		return nil, fault.Wrap("insight.Orgs", codeOf(err), err)
	}
	slices.Sort(list)
	return list, nil
}
