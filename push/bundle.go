package push

import (
	"bytes"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/carrel-lms/carrel/catalog"
)

// What is due for a device at the same moment becomes one message when it is too much: after quiet hours, after an outage, and the digests of a day. It is done
// just before sending, so that it does not matter why they came together, and written down before one is sent, so that a bundle stays what it is when it is
// sent again. What may have been taken already, before a kill or without an answer, is left as it is: under another key it would be shown twice.

// bundle makes one message of those that a device should get now, where they are too many: for as many devices as get one in a turn.
func (p *Push) bundle(now time.Time) error {
	var many [][]numbered
	err := p.db.View(func(tx *bolt.Tx) error {
		seen := map[string]bool{}
		var bad error
		each(tx, bucketDue, nil, func(row, kind []byte) bool {
			at, key := momentOf(row)
			if at.After(now) || len(seen) == maxTurn {
				return false
			}
			if len(kind) > 0 {
				return true
			}
			m, ok, err := get[message](tx, bucketMessage, key)
			if device := deviceKey(m.Learner, m.Device); err == nil && ok && !seen[device] {
				seen[device] = true
				var list []numbered
				if list, err = bundled(tx, device, now); tooMany(list) {
					many = append(many, list)
				}
			}
			bad = err
			return err == nil
		})
		return bad
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(many, chunk) {
		err := p.db.Update(func(tx *bolt.Tx) error {
			for _, list := range some {
				if err := bundleOf(tx, list, now); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bundled returns what is due for a device and may be part of a bundle.
func bundled(tx *bolt.Tx, device string, now time.Time) (list []numbered, err error) {
	for _, n := range messagesOf(tx, join(device, "")) {
		m, ok, err := get[message](tx, bucketMessage, number(n))
		if err != nil {
			return nil, err
		}
		if ok && !m.Nudge && !m.Unsure && !m.Due.After(now) && m.Expires.After(now) {
			list = append(list, numbered{n, m})
		}
	}
	return list, nil
}

// tooMany reports whether messages for a device are to be one.
func tooMany(list []numbered) bool {
	digests, news := 0, 0
	for i := range list {
		news += len(list[i].news())
		if list[i].Digest {
			digests++
		}
	}
	return len(list) > 1 && (news > bundleOver || digests > 1)
}

// bundleOf puts one message in the place of several.
func bundleOf(tx *bolt.Tx, list []numbered, now time.Time) error {
	slices.SortFunc(list, func(a, b numbered) int { return a.At.Compare(b.At) })
	all := message{Learner: list[0].Learner, Device: list[0].Device, At: list[0].At, Since: list[0].Since, Due: now, Channels: []string{"me", "catalog", "org"}}
	for i := range list {
		m := &list[i]
		if tx.Bucket(bucketMessage).Get(number(m.n)) == nil {
			return nil // the device is gone
		}
		all.Bundle = append(all.Bundle, m.news()...)
		all.Seq, all.Attempts = max(all.Seq, m.Seq), max(all.Attempts, m.Attempts)
		if m.Expires.After(all.Expires) {
			all.Expires = m.Expires
		}
		if m.Since.Before(all.Since) {
			all.Since = m.Since
		}
		if err := dropMessage(tx, m.n); err != nil {
			return err
		}
	}
	all.Bundle = all.Bundle[max(len(all.Bundle)-catalog.MaxNotifications, 0):]
	return addMessage(tx, &all)
}

// tally is how many messages a device showed on a day.
type tally struct {
	Date string `json:"date"` // by the learner's clock
	N    int    `json:"n"`
}

// shownOn returns how many messages a device showed on a day.
func shownOn(tx *bolt.Tx, device, date string) (int, error) {
	day, _, err := get[tally](tx, bucketCaps, []byte(device))
	if day.Date != date {
		return 0, err
	}
	return day.N, err
}

// countShown counts one.
func countShown(tx *bolt.Tx, device, date string) error {
	n, err := shownOn(tx, device, date)
	if err != nil {
		return err
	}
	return put(tx, bucketCaps, []byte(device), tally{date, n + 1})
}

// known returns what push.db knows of a device: that the service does not know its token, and how many messages it showed today.
func (p *Push) known(device, token, date string) (gone bool, shown int, err error) {
	err = p.db.View(func(tx *bolt.Tx) error {
		hash := tx.Bucket(bucketGone).Get([]byte(device))
		gone = hash != nil && bytes.Equal(hash, []byte(tokenHash(token)))
		shown, err = shownOn(tx, device, date)
		return err
	})
	return gone, shown, err
}
