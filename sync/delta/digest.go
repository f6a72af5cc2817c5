package delta

import (
	"context"
	"slices"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Sum is the digest of the rows of one kind.
type Sum = coursesync.Digest

// Digest is the sums by channel ("catalog", "org:acme", "me", "course:x") and kind.
type Digest map[string]map[coursesync.Kind]*Sum

// digestTries is how often a digest is begun anew because its channels changed meanwhile.
const digestTries = 8

// Digest returns the sums of what a phone at a cursor must hold of the channels. Errors: as of Pull, and fault.CursorBehind when there is something to be
// pulled first. Without a cursor the sums are those of what there is now.
func (s *Service) Digest(ctx context.Context, r Request) (Digest, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	w, err := parseChannels(r.Channels)
	if err != nil {
		return nil, err
	}
	if r.Actor.Anonymous() && (w.org || w.me || w.courses) {
		return nil, fault.New("delta.Digest", fault.Unauthorized)
	}
	for range digestTries {
		places, err := s.digestPlaces(ctx, &r, &w)
		if err != nil {
			return nil, err
		}
		d, same, err := s.sum(ctx, places)
		if err != nil || same {
			return d, err
		}
	}
	return nil, fault.New("delta.Digest", fault.Overloaded, "retry_after", 1).WithFix("the channels change too fast to be summed up")
}

// digestPlaces returns the channels with the Seq of their last change each.
func (s *Service) digestPlaces(ctx context.Context, r *Request, w *wish) (places []place, err error) {
	err = s.catalog.View(ctx, func(v *catalog.View) error {
		a, err := newAccess(v, r.Actor)
		if err != nil {
			return err
		}
		c, err := s.follow(a, r, w)
		if err != nil {
			return err
		}
		for i := range c.places {
			p := &c.places[i]
			if !w.wants(p) {
				continue
			}
			if r.Cursor != "" {
				g, err := gatherFrom(v, p, &Request{Fields: FieldsCard}, 1, MaxLimit)
				if err != nil {
					return err
				}
				if len(g.changes) > 0 || !g.ended || p.base != 0 || p.emptied != 0 {
					return fault.New("delta.Digest", fault.CursorBehind)
				}
			}
			places = append(places, place{channel: p.channel, base: v.Log().Last(p.channel)})
		}
		return nil
	})
	return places, err
}

// sum adds up channels, in short reads. It reports whether they stayed the same meanwhile.
func (s *Service) sum(ctx context.Context, places []place) (d Digest, same bool, err error) {
	d = Digest{}
	for i := range places {
		p := place{channel: places[i].channel}
		sums := map[coursesync.Kind]*Sum{}
		for _, kind := range kindsOf(p.channel) {
			sums[kind] = &Sum{}
		}
		for ended := false; !ended; {
			err := s.catalog.View(ctx, func(v *catalog.View) error {
				g, err := gatherFrom(v, &p, &Request{Fields: FieldsCard}, MaxLimit, MaxLimit)
				for _, ch := range g.changes {
					if ch.shown == asIs {
						sums[ch.Kind].Add(ch.Kind, ch.id, ch.Seq)
					}
				}
				p.at, ended = g.until, g.ended
				same = v.Log().Last(p.channel) == places[i].base
				return err
			})
			if err != nil || !same {
				return nil, false, err
			}
		}
		d[channelName(p.channel)] = sums
	}
	return d, true, nil
}

// channelName is a channel as its reader names it.
func channelName(ch coursesync.Channel) string {
	if slices.Equal(kindsOf(ch), learnerKinds) {
		return "me"
	}
	return string(ch)
}
