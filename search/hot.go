package search

import "encoding/binary"

// hot holds the rows of a page column by column: what every search walks over lies side by side, which is several times as fast as walking
// over rows. It is made from the rows when a page is sealed.
type hot struct {
	state       [pageRows]state
	level       [pageRows]level
	texts       [pageRows]uint8 // a bit for each language that the course has a text in
	org         [pageRows]ref
	category    [pageRows]ref
	language    [pageRows]ref
	provider    [pageRows]ref
	duration    [pageRows]int32
	enrollments [pageRows]int32
	popularity  [pageRows]float32
	rating      [pageRows]float64
	bucket      [pageRows]uint8 // of the rating, see bestBucket
	published   [pageRows]int64 // microseconds; noTime
	opens       [pageRows]int64 // enrollment
	closes      [pageRows]int64
	tags        lists
	instructors lists
}

// lists are the references of each row, one row's behind the other's.
type lists struct {
	ends [pageRows]uint32
	refs []ref
}

func (l *lists) add(row int, refs []ref) {
	l.refs = append(l.refs, refs...)
	l.ends[row] = uint32(len(l.refs)) //nolint:gosec // a course has few
}

// of returns the references of a row.
func (l *lists) of(row uint8) []ref {
	if row == 0 {
		return l.refs[:l.ends[0]]
	}
	return l.refs[l.ends[row-1]:l.ends[row]]
}

func newHot(p *page) *hot {
	h := &hot{}
	for i := range p.rows {
		r := &p.rows[i]
		h.state[i], h.level[i], h.org[i] = r.state, r.level, r.org
		h.category[i], h.language[i], h.provider[i] = r.category, r.language, r.provider
		h.duration[i], h.enrollments[i], h.popularity[i], h.rating[i] = r.duration, r.enrollments, popularity(r.enrollments), r.rating
		h.bucket[i] = bestBucket(r.rating)
		h.published[i], h.opens[i], h.closes[i] = r.published, r.opens, r.closes
		h.tags.add(i, r.tags)
		h.instructors.add(i, r.instructors)
		for l, n := range p.lengths[i] {
			if n > 0 {
				h.texts[i] |= 1 << l
			}
		}
	}
	return h
}

// availability is the place of a row's availability in availabilityNames.
func (h *hot) availability(row uint8, now int64) int {
	return availabilityAt(h.opens[row], h.closes[row], now)
}

// has reports whether a row has a text in the language of a field.
func (h *hot) has(row uint8, field int) bool { return h.texts[row]>>field&1 == 1 }

// seen appends the rows of a page that the caller sees. Everything else of a search looks at no row that this leaves out.
func (p *plan) seen(h *hot, list []uint8) []uint8 {
	for i, s := range h.state {
		if org := h.org[i]; int(org) < len(p.allowed) && p.allowed[org]>>s&1 == 1 {
			list = append(list, uint8(i))
		}
	}
	return list
}

// seesIn reports whether the caller sees a row of a page, as seen does.
func (p *plan) seesIn(h *hot, row uint8) bool {
	org := h.org[row]
	return int(org) < len(p.allowed) && p.allowed[org]>>h.state[row]&1 == 1
}

// sight is what a caller sees: which rows, and how many. It is shared by all searches of callers who see the same.
type sight struct {
	visible []bool
	total   int
}

// sight makes what the caller sees, or remembers it.
func (p *plan) sight() sight {
	key := append(binary.LittleEndian.AppendUint64(nil, p.cols.id), p.allowed...)
	if s, ok := p.x.sights.get(key); ok {
		return s
	}
	s := sight{visible: make([]bool, p.cols.n)}
	var room [pageRows]uint8
	for n, pg := range p.cols.pages {
		list := p.seen(pg.hot, room[:0])
		s.total += len(list)
		for _, j := range list {
			s.visible[n*pageRows+int(j)] = true
		}
	}
	p.x.sights.put(key, s)
	return s
}

// sees reports whether the caller sees a row, as seen does.
func (p *plan) sees(i int32) bool {
	if int(i) >= p.cols.n {
		return false
	}
	r := p.cols.row(i)
	return int(r.org) < len(p.allowed) && p.allowed[r.org]>>r.state&1 == 1
}
