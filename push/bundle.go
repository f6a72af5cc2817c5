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

// tally is what a learner was shown on a day.
type tally struct {
	Date  string   `json:"date"`  // by the learner's clock
	Shown []string `json:"shown"` // names of messages; the same on two devices is one
}

// name tells a message from others of its learner, on whichever device.
func (m *message) name() string {
	if m.Value != nil {
		return string(m.ID)
	}
	return m.collapse()
}

// shownOn returns what a learner was shown on a day.
func shownOn(tx *bolt.Tx, who catalog.LearnerID, date string) ([]string, error) {
	day, _, err := get[tally](tx, bucketCaps, []byte(catalog.KeyOfLearner(who)))
	if day.Date != date {
		return nil, err
	}
	return day.Shown, err
}

// countShown counts a message.
func countShown(tx *bolt.Tx, m *message, date string) error {
	shown, err := shownOn(tx, m.Learner, date)
	if err != nil || slices.Contains(shown, m.name()) {
		return err
	}
	return put(tx, bucketCaps, []byte(catalog.KeyOfLearner(m.Learner)), tally{date, append(shown, m.name())})
}

// known returns what push.db knows of a message's device: that the service does not know its token, and whether its owner got enough for a day.
func (p *Push) known(m *message, token, date string, most int) (gone, enough bool, err error) {
	err = p.db.View(func(tx *bolt.Tx) error {
		hash := tx.Bucket(bucketGone).Get([]byte(deviceKey(m.Learner, m.Device)))
		gone = hash != nil && bytes.Equal(hash, []byte(tokenHash(token)))
		if m.Nudge {
			return nil
		}
		shown, err := shownOn(tx, m.Learner, date)
		enough = len(shown) >= most && !slices.Contains(shown, m.name())
		return err
	})
	return gone, enough, err
}
