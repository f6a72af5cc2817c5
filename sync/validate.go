package sync

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/fault"
)

// entityRef names an entity.
type entityRef struct {
	kind Kind
	key  string
}

// validate refuses a batch that no log takes, whatever its state.
func validate(batch []Change) error {
	const op = "sync.Append"
	bad := func(i int, field string, code fault.Code, format string, args ...any) error {
		return fault.Invalid(op, fault.BadField(fmt.Sprintf("/%d/%s", i, field), code, fmt.Sprintf(format, args...), "max", MaxBatch))
	}
	if len(batch) > MaxBatch {
		return bad(len(batch), "", fault.TooMany, "%d changes in one batch; at most %d", len(batch), MaxBatch)
	}
	seen := make(map[entityRef]bool, len(batch))
	for i := range batch {
		c := &batch[i]
		switch {
		case !name(string(c.Kind)):
			return bad(i, "kind", fault.Required, "a kind is needed, without zero bytes")
		case !name(c.Key) || len(c.Key) > MaxKey:
			return bad(i, "key", fault.TooLong, "a key has 1 to %d bytes of UTF-8 without zero bytes", MaxKey)
		case c.Op != OpAssert && !name(string(c.Channel)):
			return bad(i, "channel", fault.Required, "a channel is needed, without zero bytes")
		case c.Op < OpUpsert || c.Op > OpErase:
			return bad(i, "op", fault.BadValue, "no operation has the number %d", c.Op)
		case c.Op == OpErase && (c.Erases == "" || c.Erases == c.Channel):
			return bad(i, "erases", fault.Required, "the channel to erase is needed, and is not the one that records it")
		case len(c.Body) > MaxBody:
			return bad(i, "body", fault.TooLong, "a body has at most %d bytes", MaxBody)
		}
		ref := entityRef{c.Kind, c.Key}
		if seen[ref] {
			return bad(i, "key", fault.Duplicate, "two changes of %s %q in one batch", c.Kind, c.Key)
		}
		seen[ref] = true
	}
	return nil
}

func name(s string) bool {
	return s != "" && !strings.Contains(s, "\x00") && utf8.ValidString(s)
}

// holds reports whether a change's IfSeq holds for an entity's last change (ok is false when there is none).
func holds(ifSeq Seq, prev Change, ok bool) bool {
	live := ok && prev.Op != OpDelete
	switch ifSeq {
	case 0:
		return true
	case Absent:
		return !live
	}
	return live && prev.Seq == ifSeq
}

func lostUpdate(c Change) error {
	return fault.New("sync.Append", fault.LostUpdate).WithFix("%s %q has changed since; read it again", c.Kind, c.Key)
}

func wrongChannel(c, prev Change) error {
	return fault.Invalid("sync.Append", fault.BadField("/channel", fault.ReadOnly,
		fmt.Sprintf("%s %q is in the channel %q for ever, not in %q", c.Kind, c.Key, prev.Channel, c.Channel)))
}

func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte(nil), b...)
}
