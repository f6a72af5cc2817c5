package delta

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// place is how far a phone is in a channel.
type place struct {
	channel coursesync.Channel
	at      coursesync.Seq // of the last change that it was given
	base    coursesync.Seq // during the first pass the channel's last Seq when that began; else 0
	emptied coursesync.Seq // not 0: access was lost at this place, and the channel is being emptied: all that was made up to there is deleted
	created coursesync.Seq // of the caller's enrollment, by which the cursor names the channel of a course; 0: it is named in full
	again   bool           // it is being emptied, and may be read again: not in the cursor
	from    coursesync.Seq // what is as old or older is not sent, but for kinds that are sent as a whole (dialect.whole): not in the cursor
}

// reach is up to where the phone has heard of deletions: those below it may be forgotten.
func (p *place) reach() coursesync.Seq { return max(p.at, p.base, p.emptied) }

// expiredIn reports whether the channel has forgotten deletions that the phone has not heard of, or the place is none of this log.
func (p *place) expiredIn(v *coursesync.BoltView) bool {
	reach := p.reach()
	if p.emptied != 0 {
		reach = p.emptied
	}
	return p.at > v.Head() || reach > v.Head() || reach < v.Floor(p.channel, kindsOf(p.channel)...)
}

// cursor is what a phone brings back.
type cursor struct {
	subject catalog.LearnerID // whose private channels it has; "" when it has none
	locale  catalog.Locale
	fields  Fields
	places  []place // in the order of a page
}

// A cursor is, before base64url: version, the first bytes of SHA-256 of the log's id, of the subject, of locale and fields; the places; and an
// HMAC over all of it. It holds no secret, but whoever could write one could have the ids of another's channel deleted to them, and so read them. Equal
// places give equal cursors, which is what lets pages be shared.
const (
	cursorVersion = 2
	cursorHash    = 6        // bytes of each hash: against accidents; the HMAC is against design
	cursorMAC     = 12       // bytes: 2^96 guesses
	maxCursor     = 12 << 10 // bytes of base64: MaxCourses places, and all that are named unless most of them have the longest ids
)

// Sorts of places in a cursor.
const (
	placeCatalog = iota
	placeMe
	placeNamed             // an organization or a course, in full
	placeEnrolled          // a course, by the enrollment's Created
	placeFilling  = 1 << 6 // flag: base follows
	placeEmptying = 1 << 7 // flag: emptied follows
)

func short(parts ...string) []byte {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return sum[:cursorHash]
}

func (s *Service) head(c *cursor) []byte {
	b := append([]byte{cursorVersion}, short("log", string(s.log))...)
	b = append(b, short("subject", string(c.subject))...)
	return append(b, short("form", string(c.locale), string(c.fields))...)
}

// encode writes a cursor.
func (s *Service) encode(c *cursor) string {
	b := s.head(c)
	var last place // numbers are written as differences to those before of their sort, which are small where places began or moved together
	for i := range c.places {
		p := &c.places[i]
		sort := placeNamed
		switch {
		case p.channel == catalog.ChannelCatalog:
			sort = placeCatalog
		case p.created != 0:
			sort = placeEnrolled
		case strings.HasPrefix(string(p.channel), learnerPrefix):
			sort = placeMe
		}
		flags := byte(sort)
		if p.base != 0 {
			flags |= placeFilling
		}
		if p.emptied != 0 {
			flags |= placeEmptying
		}
		b = append(b, flags)
		switch sort {
		case placeNamed:
			b = binary.AppendUvarint(b, uint64(len(p.channel)))
			b = append(b, p.channel...)
		case placeEnrolled:
			b = appendDelta(b, &last.created, p.created)
		}
		b = appendDelta(b, &last.at, p.at)
		if p.base != 0 {
			b = appendDelta(b, &last.base, p.base)
		}
		if p.emptied != 0 {
			b = appendDelta(b, &last.emptied, p.emptied)
		}
	}
	return base64.RawURLEncoding.EncodeToString(append(b, s.mac(b)...))
}

// appendDelta appends a Seq as the difference to the one before it.
func appendDelta(b []byte, last *coursesync.Seq, seq coursesync.Seq) []byte {
	b = binary.AppendVarint(b, int64(seq)-int64(*last)) //nolint:gosec // Seqs are below 2^53
	*last = seq
	return b
}

func (s *Service) mac(b []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write(b)
	return h.Sum(nil)[:cursorMAC]
}

// decode reads a cursor for a request. Errors: fault.InvalidCursor for what is no cursor, fault.CursorExpired for one of another log, of another
// key or version, of another subject, locale or fields: the phone starts over.
func (s *Service) decode(text string, r *Request) (*cursor, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	const least = 1 + 3*cursorHash + cursorMAC
	if len(text) > maxCursor || err != nil || len(raw) < least {
		return nil, fault.New("delta.cursor", fault.InvalidCursor)
	}
	body, sum := raw[:len(raw)-cursorMAC], raw[len(raw)-cursorMAC:]
	if !hmac.Equal(sum, s.mac(body)) {
		return nil, expired()
	}
	c := &cursor{subject: r.Actor.Subject, locale: r.Locale, fields: r.form()}
	want := s.head(c)
	if open := s.head(&cursor{locale: r.Locale, fields: c.fields}); bytes.HasPrefix(body, open) {
		c.subject, want = "", open // it has nothing private
	}
	if !bytes.HasPrefix(body, want) {
		return nil, expired()
	}
	if !c.read(body[len(want):], r.Actor.Subject) {
		return nil, expired()
	}
	return c, nil
}

// ownedCursor reports whether a cursor was made for a learner.
func (s *Service) ownedCursor(text string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	const subject = 1 + cursorHash // where its hash begins
	if err != nil || len(raw) < subject+cursorHash+cursorMAC || raw[0] != cursorVersion || !hmac.Equal(raw[len(raw)-cursorMAC:], s.mac(raw[:len(raw)-cursorMAC])) {
		return false
	}
	return !bytes.Equal(raw[subject:subject+cursorHash], short("subject", ""))
}

// read reads the places; those of enrollments get their channel later.
func (c *cursor) read(b []byte, subject catalog.LearnerID) bool {
	var last place
	for len(b) > 0 {
		flags := b[0]
		b = b[1:]
		var p place
		ok := true
		switch flags &^ (placeFilling | placeEmptying) {
		case placeCatalog:
			p.channel = catalog.ChannelCatalog
		case placeMe:
			p.channel = catalog.LearnerChannel(subject)
		case placeNamed:
			n, width := binary.Uvarint(b)
			if ok = width > 0 && n <= uint64(len(b)-width); ok { //nolint:gosec // not negative
				p.channel = coursesync.Channel(b[width : width+int(n)]) //nolint:gosec // no longer than b
				b = b[width+int(n):]                                    //nolint:gosec // the same
			}
		case placeEnrolled:
			ok = takeDelta(&b, &last.created, &p.created)
		default:
			ok = false
		}
		ok = ok && takeDelta(&b, &last.at, &p.at)
		if ok && flags&placeFilling != 0 {
			ok = takeDelta(&b, &last.base, &p.base)
		}
		if ok && flags&placeEmptying != 0 {
			ok = takeDelta(&b, &last.emptied, &p.emptied)
		}
		if !ok {
			return false
		}
		c.places = append(c.places, p)
	}
	return true
}

func takeDelta(b *[]byte, last, into *coursesync.Seq) bool {
	d, n := binary.Varint(*b)
	if n <= 0 {
		return false
	}
	*b = (*b)[n:]
	*last = coursesync.Seq(int64(*last) + d) //nolint:gosec // what was written by appendDelta
	*into = *last
	return true
}

// bind gives the places of enrollments their channels. It reports false when an enrollment is not there: the account was erased.
func (c *cursor) bind(a *access) (bool, error) {
	if !slices.ContainsFunc(c.places, func(p place) bool { return p.created != 0 }) {
		return true, nil
	}
	list, err := a.enrolled()
	if err != nil {
		return false, err
	}
	for i := range c.places {
		p := &c.places[i]
		if p.created == 0 {
			continue
		}
		at, ok := slices.BinarySearchFunc(list, p.created, func(e catalog.EnrollmentOf, made coursesync.Seq) int { return cmp.Compare(e.Created, made) })
		if !ok {
			return false, nil
		}
		p.channel = catalog.ContentChannel(list[at].Course)
	}
	return true, nil
}

// sort brings the places into the order of a page: what is emptied first, since a row may come again by another channel.
func (c *cursor) sort() {
	slices.SortFunc(c.places, func(x, y place) int {
		return cmp.Or(cmp.Compare(rankOf(&x), rankOf(&y)), cmp.Compare(x.created, y.created), cmp.Compare(x.channel, y.channel))
	})
}

func rankOf(p *place) int {
	if p.emptied != 0 {
		return -1
	}
	return order(p.channel)
}

// private reports whether the cursor has a place that not everybody has.
func (c *cursor) private() bool {
	return slices.ContainsFunc(c.places, func(p place) bool { return p.channel != catalog.ChannelCatalog })
}
