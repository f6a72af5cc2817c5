package search

import (
	"cmp"
	"context"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"unicode"

	index "github.com/blevesearch/bleve_index_api"
	segment "github.com/blevesearch/scorch_segment_api/v2"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search/query"
)

const (
	// maxShift is how much of the answers may change with a new index before somebody has to want it.
	maxShift = .10
	// compareTerms of the commonest terms of a field are asked for, and as many drawn from all, alone and in pairs: enough that the loss of a
	// kind of words shows, few enough for a minute at half a million courses.
	compareTerms = 8
	// compareFirst hits are compared: the first page, which is what people see.
	compareFirst = 10
	// compareTries is how often the new index catches up before it is compared at another place than the old one.
	compareTries = 5
)

// shift says how far two indexes are apart, each from 0 to 1.
type shift struct {
	documents float64 // by how many there are
	totals    float64 // by what the questions of a field find, on average
	first     float64 // by how many of the first hits are others
	field     string  // the field that is meant, the worst
}

// compare holds the new index against the old one and the catalog. Error: fault.IndexShifted when they are too far apart.
//
// What is asked follows from the vocabularies of both, so that what only one of them has counts too. Questions without words would compare nothing:
// the columns alone answer them, and those are the same.
func (x *Index) compare(ctx context.Context, b *builder) error {
	old, next, err := x.together(ctx, b)
	if err != nil {
		return err
	}
	defer old.reader.release()
	defer next.reader.release()
	worst, err := countShift(old, next)
	if err != nil {
		return err
	}
	for field := range fieldCount {
		questions, err := questionsOf(ctx, field, old.reader, next.reader)
		if err != nil {
			return err
		}
		s := shift{field: fieldNames[field]}
		for _, q := range questions {
			totals, first, err := x.answerShift(ctx, b, q, old, next)
			if err != nil {
				return err
			}
			s.totals += totals / float64(len(questions))
			s.first += first / float64(len(questions))
			if err := b.pace.rest(ctx); err != nil {
				return err
			}
		}
		if max(s.totals, s.first) > max(worst.totals, worst.first) {
			worst.totals, worst.first, worst.field = s.totals, s.first, s.field
		}
	}
	if max(worst.documents, worst.totals, worst.first) <= maxShift {
		return nil
	}
	percent := func(part float64) int { return int(math.Ceil(100 * part)) }
	documents, totals, first := percent(worst.documents), percent(worst.totals), percent(worst.first)
	return fault.New("search.Reindex", fault.IndexShifted, "documents", documents, "totals", totals, "first", first, "field", worst.field).
		WithFix("the number of documents differs by %d %%; of fixed questions (worst: words in field %q) the totals differ by %d %%, the first hits by %d %%; "+
			"more than 10 %% needs --force", documents, worst.field, totals, first)
}

// together returns the old and the new index at the same place in the log, or nearly, when much is written.
func (x *Index) together(ctx context.Context, b *builder) (old, next *generation, err error) {
	for try := 1; ; try++ {
		if err := b.catchUp(ctx); err != nil {
			return nil, nil, err
		}
		if old, err = x.hold(); err != nil {
			return nil, nil, err
		}
		if old.cursor == b.at || try == compareTries {
			break
		}
		old.reader.release()
	}
	r, err := b.store.newReader(x.dicts)
	if err == nil {
		_, err = r.lookup()
	}
	if err == nil {
		_, err = old.reader.lookup()
	}
	if err != nil {
		old.reader.release()
		if r != nil {
			r.release()
		}
		return nil, nil, err
	}
	return old, &generation{reader: r, cols: old.cols, cursor: b.at}, nil
}

func countShift(old, next *generation) (shift, error) {
	was, err := old.reader.index.DocCount()
	if err != nil {
		return shift{}, err
	}
	is, err := next.reader.index.DocCount()
	if err != nil {
		return shift{}, err
	}
	n := float64(is)
	return shift{documents: max(apart(n, float64(was)), apart(n, float64(old.cols.courses())))}, nil
}

// apart is the part of the greater number that the other lacks.
func apart(a, b float64) float64 {
	if a == b {
		return 0
	}
	return math.Abs(a-b) / max(a, b)
}

// answerShift asks both indexes.
func (x *Index) answerShift(ctx context.Context, b *builder, q string, old, next *generation) (totals, first float64, err error) {
	was, wasFirst, err := x.ask(ctx, b, old, q)
	if err != nil {
		return 0, 0, err
	}
	is, isFirst, err := x.ask(ctx, b, next, q)
	if err != nil {
		return 0, 0, err
	}
	same := 0
	for _, id := range isFirst {
		if slices.Contains(wasFirst, id) {
			same++
		}
	}
	return apart(float64(was), float64(is)), apart(float64(same), float64(max(len(wasFirst), len(isFirst)))), nil
}

// ask is what a generation finds.
func (x *Index) ask(ctx context.Context, b *builder, gen *generation, text string) (total int, first []catalog.CourseID, err error) {
	req := Request{Q: text, Actor: catalog.System, States: []string{"*"}, Limit: compareFirst}
	if err := req.validate(); err != nil {
		return 0, nil, err
	}
	q, err := query.Parse(text)
	if err != nil {
		return 0, nil, err
	}
	turn, err := b.admission.admit(ctx, false)
	if err != nil {
		return 0, nil, err
	}
	defer turn.end()
	turn.over(ctx, gen.cols.n)
	defer x.broken(ctx, &err)()
	p, err := x.newPlan(gen, &req, q)
	if err != nil {
		return 0, nil, err
	}
	p.turn = turn
	c, _, done, err := p.find()
	if err != nil {
		return 0, nil, err
	}
	defer done()
	for _, k := range c.top {
		first = append(first, k.id)
	}
	return c.total, first, nil
}

// questionsOf makes the questions about a field from the terms of both indexes. They end in a space: a last word that may go on would ask for
// as many words as begin so.
func questionsOf(ctx context.Context, field int, readers ...*reader) ([]string, error) {
	var questions []string
	for _, r := range readers {
		common, drawn, err := r.sample(ctx, field)
		if err != nil {
			return nil, err
		}
		for i, word := range common {
			questions = append(questions, word+" ")
			if i < len(drawn) {
				questions = append(questions, word+" "+drawn[i]+" ")
			}
		}
		for _, word := range drawn {
			questions = append(questions, word+" ")
		}
	}
	slices.Sort(questions)
	return slices.Compact(questions), nil
}

// sampled is a term with what it is chosen by, the least first.
type sampled struct {
	term string
	by   uint64
}

// sample is a bounded choice.
type sample []sampled

func (s *sample) offer(term string, by uint64) {
	if len(*s) == compareTerms && by >= (*s)[compareTerms-1].by {
		return
	}
	at, _ := slices.BinarySearchFunc(*s, by, func(e sampled, by uint64) int { return cmp.Compare(e.by, by+1) })
	*s = slices.Insert(*s, at, sampled{strings.Clone(term), by})
	*s = (*s)[:min(len(*s), compareTerms)]
}

func (s sample) terms() []string {
	var list []string
	for _, e := range s {
		list = append(list, e.term)
	}
	return list
}

// sample chooses terms of a field: the commonest, and some by their hash, which are those again that were chosen before.
func (r *reader) sample(ctx context.Context, field int) (common, drawn []string, err error) {
	l, err := r.lookup()
	if err != nil {
		return nil, nil, err
	}
	defer r.lookups.Put(l)
	var frequent, mixed sample
	m := &merged{}
	for s := range l.views {
		dict, err := l.dict(s, field)
		if err != nil {
			return nil, nil, err
		}
		if err := m.add(dict.AutomatonIterator(nil, nil, nil)); err != nil {
			return nil, nil, err
		}
	}
	for n := 0; ; n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		term, count, err := m.next()
		if err != nil {
			return nil, nil, err
		}
		if term == "" {
			return frequent.terms(), mixed.terms(), nil
		}
		if !askable(term) {
			continue
		}
		hash := fnv.New64a()
		_, _ = hash.Write([]byte(term)) // it cannot fail
		frequent.offer(term, math.MaxUint64-count)
		mixed.offer(term, hash.Sum64())
	}
}

// askable tells plain words from terms that a query would understand otherwise.
func askable(term string) bool {
	return len(term) < 100 && strings.IndexFunc(term, func(r rune) bool { return !unicode.In(r, unicode.L, unicode.N, unicode.M) }) < 0
}

// merged walks over the terms of several segments in order.
type merged struct {
	its   []segment.DictionaryIterator
	heads []*index.DictEntry
}

func (m *merged) add(it segment.DictionaryIterator) error {
	m.its, m.heads = append(m.its, it), append(m.heads, nil)
	return m.step(len(m.its) - 1)
}

// step moves one of the iterators on. What it returns is valid until its next step only.
func (m *merged) step(i int) error {
	var err error
	m.heads[i], err = m.its[i].Next()
	return err
}

// next returns a term and how many documents have it; "" at the end.
func (m *merged) next() (term string, count uint64, err error) {
	found := false
	for _, e := range m.heads {
		if e != nil && (!found || e.Term < term) {
			term, found = e.Term, true
		}
	}
	if !found {
		return "", 0, nil
	}
	term = strings.Clone(term)
	for i, e := range m.heads {
		if e != nil && e.Term == term {
			count += e.Count
			if err := m.step(i); err != nil {
				return "", 0, err
			}
		}
	}
	return term, count, nil
}
