package search

// keyIndex finds the clauses that are filed under a key: a chain of links for each.
type keyIndex struct {
	maybe *[maybeBits / 64]uint64 // which keys there may be: most of what a course has is no key of any search, and this tells faster than heads
	heads map[key64]uint32
	links []link // the first is none
	spare uint32 // the first of a chain of those that are not in use
}

// maybeBits is a few times as many as a hundred thousand searches have keys. With more of them it tells less, and no more than that.
const maybeBits = 1 << 22

// first returns the first link of a key; 0: there is none.
func (x *keyIndex) first(k key64) uint32 {
	if bit := k.bit(); x.maybe[bit/64]>>(bit%64)&1 == 0 {
		return 0
	}
	return x.heads[k]
}

// bit is a key's place in keyIndex.maybe.
func (k key64) bit() uint64 { return uint64(k) >> 42 }

// link is a clause in the chain of a key.
type link struct {
	clause clauseID
	next   uint32
	near   uint16 // by a word that it may be taken for: its place in clause.near
	touch  uint8
}

// same reports whether two links file the same clause for the same reason.
func (l *link) same(other *link) bool {
	return l.clause == other.clause && l.touch == other.touch && l.near == other.near
}

func newKeyIndex() keyIndex {
	return keyIndex{maybe: new([maybeBits / 64]uint64), heads: map[key64]uint32{}, links: make([]link, 1)}
}

// add files a clause under a key.
func (x *keyIndex) add(k key64, l link) {
	head := x.heads[k]
	if head != 0 && x.links[head].same(&l) {
		return
	}
	at := x.spare
	if at == 0 {
		at = uint32(len(x.links)) //nolint:gosec // far fewer than 2^32
		x.links = append(x.links, link{})
	} else {
		x.spare = x.links[at].next
	}
	l.next = head
	x.links[at] = l
	x.heads[k] = at
	x.maybe[k.bit()/64] |= 1 << (k.bit() % 64)
}

// remove takes a clause from under a key.
func (x *keyIndex) remove(k key64, gone link) {
	before := uint32(0)
	for at := x.heads[k]; at != 0; before, at = at, x.links[at].next {
		l := &x.links[at]
		if !l.same(&gone) {
			continue
		}
		switch {
		case before != 0:
			x.links[before].next = l.next
		case l.next != 0:
			x.heads[k] = l.next
		default:
			delete(x.heads, k)
		}
		*l = link{next: x.spare}
		x.spare = at
		return
	}
}
