package search

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search/query"
)

// order says how hits are sorted: by one value, missing ones last, then by id. Numbers are turned so that less comes first.
type order struct {
	by     string
	turned bool // titles: descending; numbers: negated
	locale int  // of titles
	after  *key // of the page before
	hash   string
}

// key is a hit's place in an order.
type key struct {
	missing bool
	num     float64
	text    string // collation key of the title
	id      catalog.CourseID
	row     int32
}

// newOrder reads the request's sort and cursor.
func (p *plan) newOrder() error {
	o := &p.order
	name, minus := strings.CutPrefix(p.req.Sort, "-")
	o.by = name
	if o.by == "" {
		o.by = SortRelevance
	}
	if o.by == SortRelevance && !hasWords(p.query) {
		o.by = SortRating
	}
	descending := o.by != SortTitle && o.by != SortDuration
	o.turned = descending != minus
	o.locale = localeIndex(p.locale)
	o.hash = p.hash()
	if p.req.Cursor == "" {
		return nil
	}
	after, err := p.readCursor(p.req.Cursor)
	o.after = after
	return err
}

// hasWords reports whether a query has words or phrases that must be found, so that hits differ in how well they match.
func hasWords(q query.Query) bool {
	return slices.ContainsFunc(q.Clauses, func(c query.Clause) bool { return c.Kind != query.KindField && !c.Not })
}

// valueOf returns the number that a row is sorted by, turned so that less comes first.
func (p *plan) valueOf(pg *page, j uint8, i int32, m *matches) (num float64, missing bool) {
	switch p.order.by {
	case SortRelevance:
		num = p.score(m, i, pg.hot, j)
	case SortRating:
		if num = pg.hot.rating[j]; math.IsNaN(num) {
			num = p.cols.prior
		}
	case SortNewest:
		published := pg.rows[j].published
		num, missing = float64(published), published == noTime
	case SortPopular:
		num = float64(pg.hot.enrollments[j])
	case SortDuration:
		num, missing = float64(pg.hot.duration[j]), pg.hot.duration[j] == 0
	}
	switch {
	case missing:
		return 0, true
	case p.order.turned:
		return -num, false
	}
	return num, false
}

// compare orders two places.
func (o *order) compare(a, b *key) int {
	if c := o.compareValues(a, b); c != 0 {
		return c
	}
	return cmp.Compare(a.id, b.id)
}

// compareValues is compare without the ids.
func (o *order) compareValues(a, b *key) int {
	if a.missing != b.missing {
		if a.missing {
			return 1
		}
		return -1
	}
	if c := cmp.Compare(a.num, b.num); c != 0 {
		return c
	}
	if c := cmp.Compare(a.text, b.text); c != 0 {
		if o.turned {
			return -c
		}
		return c
	}
	return 0
}

// collators are by locale; one is used by one goroutine at a time, and making one reads tables.
var collators = [locales]sync.Pool{}

func init() {
	for l, tag := range [locales]language.Tag{language.Und, language.English, language.French, language.SimplifiedChinese} {
		collators[l].New = func() any { return collate.New(tag) }
	}
}

func collationKey(l int, text string) string {
	c := collators[l].Get().(*collate.Collator) //nolint:forcetypeassert // see init
	defer collators[l].Put(c)
	var buf collate.Buffer
	return string(c.KeyFromString(&buf, text))
}

// titleKey returns the collation key of a row's title. The keys of a page are made when the first one is asked for, and kept with it.
func (c *columns) titleKey(i int32, l int) string {
	p := c.pages[int(i)/pageRows]
	keys := p.keys[l].Load()
	if keys == nil {
		keys = &[pageRows]string{}
		for j := range p.details {
			if t := p.details[j].titles[l]; t != "" {
				keys[j] = collationKey(l, t)
			}
		}
		p.keys[l].Store(keys)
	}
	return keys[int(i)%pageRows]
}

// cursorVersion is the version of the cursors that this program writes; others are refused.
const cursorVersion = 1

// cursor is what a cursor says: whose it is, and after which hit the page begins. A title is there as text, whose collation key is
// longer.
type cursor struct {
	Version int              `json:"v"`
	Hash    string           `json:"h"`
	Missing bool             `json:"m,omitempty"`
	Num     uint64           `json:"n,omitempty"` // the bits of key.num
	Title   string           `json:"t,omitempty"`
	ID      catalog.CourseID `json:"i"`
}

// hash names everything in a request that decides which hits there are and how they are sorted.
func (p *plan) hash() string {
	r := *p.req
	r.Cursor, r.Limit, r.Explain, r.Facets, r.FacetLimit, r.FacetQ = "", 0, false, nil, 0, ""
	r.Sort = p.order.by
	if p.order.turned {
		r.Sort += " turned"
	}
	text := r.Values().Encode()
	if p.order.by == SortTitle {
		text += string(localeNames[p.order.locale])
	}
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

func (p *plan) writeCursor(k *key) (string, error) {
	c := cursor{Version: cursorVersion, Hash: p.order.hash, Missing: k.missing, Num: math.Float64bits(k.num), ID: k.id}
	if p.order.by == SortTitle {
		c.Title = p.cols.details(k.row).titles[p.order.locale]
	}
	b, err := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(b), err
}

func (p *plan) readCursor(s string) (*key, error) {
	bad := fault.New("search.Search", fault.InvalidCursor)
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, bad
	}
	var c cursor
	if err := json.Unmarshal(b, &c); err != nil || c.Version != cursorVersion {
		return nil, bad
	}
	if c.Hash != p.order.hash {
		return nil, bad.WithFix("a cursor goes on with the request that it came from; start without one")
	}
	k := &key{missing: c.Missing, num: math.Float64frombits(c.Num), id: c.ID}
	if math.IsNaN(k.num) {
		return nil, bad
	}
	if p.order.by == SortTitle {
		k.text = collationKey(p.order.locale, c.Title)
	}
	return k, nil
}
