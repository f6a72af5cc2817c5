package sync

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/fault"
)

// entityKey names an entity in memory.
type entityKey struct {
	kind Kind
	key  string
}

// normalize checks the form of a batch, and returns a copy in which all that Append assigns is empty. What depends on the
// log's state is checked later, by conflict.
func normalize(batch []Change) ([]Change, error) {
	const op = "sync.Append"
	if len(batch) > MaxBatch {
		return nil, fault.Invalid(op, fault.BadField("", fault.TooMany, fmt.Sprintf("a batch has at most %d changes", MaxBatch), "max", MaxBatch))
	}
	clean := make([]Change, len(batch))
	seen := make(map[entityKey]struct{}, len(batch))
	for i, c := range batch {
		if f, bad := malformed(c); bad {
			f.Pointer = fmt.Sprintf("/%d/%s", i, f.Pointer)
			return nil, fault.Invalid(op, f)
		}
		name := entityKey{c.Kind, c.Key}
		if _, twice := seen[name]; twice {
			detail := fmt.Sprintf("%s %q is changed twice in one batch", c.Kind, c.Key)
			return nil, fault.Invalid(op, fault.BadField(fmt.Sprintf("/%d/key", i), fault.Duplicate, detail))
		}
		seen[name] = struct{}{}
		c.Seq, c.Created, c.Since = 0, 0, 0
		if len(c.Body) == 0 {
			c.Body = nil
		}
		clean[i] = c
	}
	return clean, nil
}

// malformed returns the first field of a change that is wrong in itself.
func malformed(c Change) (fault.Field, bool) {
	if c.Op < OpUpsert || c.Op > OpErase {
		return fault.BadField("op", fault.BadValue, "there is no such operation"), true
	}
	if f, bad := badName("kind", string(c.Kind), MaxKind); bad {
		return f, true
	}
	if f, bad := badName("key", c.Key, MaxKey); bad {
		return f, true
	}
	if c.Op == OpAssert {
		return fault.Field{}, false
	}
	if f, bad := badName("channel", string(c.Channel), MaxChannel); bad {
		return f, true
	}
	switch {
	case c.Op == OpErase:
		if f, bad := badName("erases", string(c.Erases), MaxChannel); bad {
			return f, true
		}
		if c.Erases == c.Channel {
			return fault.BadField("erases", fault.BadValue, "an erasure is recorded in another channel than the one that it drops"), true
		}
	case c.Erases != "":
		return fault.BadField("erases", fault.BadValue, "only an erasure names a channel to erase"), true
	}
	if len(c.Body) > MaxBody {
		return fault.BadField("body", fault.TooLong, fmt.Sprintf("a body has at most %d bytes", MaxBody), "max", MaxBody), true
	}
	if c.Schema < 0 {
		return fault.BadField("schema", fault.OutOfRange, "a schema is not negative"), true
	}
	return fault.Field{}, false
}

// badName checks a name. It must not hold the byte that stands between names in the keys of the file.
func badName(field, name string, limit int) (fault.Field, bool) {
	switch {
	case name == "":
		return fault.BadField(field, fault.Required, "it is missing"), true
	case len(name) > limit:
		return fault.BadField(field, fault.TooLong, fmt.Sprintf("it has at most %d bytes", limit), "max", limit), true
	case !utf8.ValidString(name), strings.IndexByte(name, separator) >= 0:
		return fault.BadField(field, fault.BadEncoding, "it is UTF-8 without zero bytes"), true
	}
	return fault.Field{}, false
}

// conflict says why a change cannot follow the state that it meets: last is its entity's last change, if there is one.
func conflict(c, last Change, exists bool) error {
	const op = "sync.Append"
	live := exists && last.Op != OpDelete
	switch {
	case c.IfSeq == 0,
		c.IfSeq == Absent && !live,
		c.IfSeq != Absent && exists && c.IfSeq == last.Seq:
	default:
		return fault.New(op, fault.LostUpdate, "kind", string(c.Kind), "key", c.Key)
	}
	switch {
	case c.Op == OpAssert || !exists:
		return nil
	case c.Channel != last.Channel:
		detail := fmt.Sprintf("%s %q lives in channel %q for ever, not in %q", c.Kind, c.Key, last.Channel, c.Channel)
		return fault.Invalid(op, fault.BadField("channel", fault.ReadOnly, detail))
	case last.Op == OpErase && (c.Op != OpErase || c.Erases != last.Erases):
		// Otherwise a follower that is behind would never hear of the erasure.
		return fault.Invalid(op, fault.BadField("op", fault.ReadOnly, fmt.Sprintf("%s %q is an erasure and stays one", c.Kind, c.Key)))
	}
	return nil
}

// settle fills in what the log assigns to a change that gets a Seq.
func settle(c *Change, seq Seq, last Change, exists bool) {
	c.Seq, c.IfSeq = seq, 0
	c.Created, c.Since = seq, seq
	if exists {
		c.Created, c.Since = last.Created, last.Since
	}
	if c.Access {
		c.Since = seq
	}
	c.Access = false
}
