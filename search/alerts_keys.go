package search

// keyIndex finds the clauses that are filed under a key: a chain of links for each.
type keyIndex struct {
	heads map[key64]uint32
	links []link // the first is none
	spare uint32 // the first of a chain of those that are not in use
}

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

func newKeyIndex() keyIndex { return keyIndex{heads: map[key64]uint32{}, links: make([]link, 1)} }

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
