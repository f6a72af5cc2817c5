package delta

import (
	"slices"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// window is what a phone that has a bare number is to be told of each channel.
//
// Access is in the log: membership, enrollment and course keep since when they are as they are. A channel that may be read now, and all that decides that is as old
// as the number, goes on from the number. When something of it is newer, the phone may have had the channel or not: it gets all that there is, and the deletions since
// the number. A channel that may not be read now, but perhaps could be when the number was given, is emptied of all that was made up to the loss.
type window struct {
	places []place
	whole  bool           // the phone gets everything: it has no number, or one that cannot be gone on from
	hold   coursesync.Seq // not 0: the number must not be greater
}

// windower finds out what a window is.
type windower struct {
	window
	*access
	d       *dialect
	since   coursesync.Seq // the phone's number
	start   coursesync.Seq // the head when it began
	members []catalog.MembershipOf
	expired bool
}

// channelAccess is what is known of the access to a channel.
type channelAccess struct {
	now   bool
	then  bool           // perhaps it could be read when the phone got its number
	since coursesync.Seq // the last change of any of what decides
	lost  coursesync.Seq // when it was lost, if it was
}

// lacks notes that something that access needs is missing since a Seq.
func (c *channelAccess) lacks(since, number coursesync.Seq) {
	c.now, c.then = false, c.then && since > number
	c.lost = min(c.lost, since)
}

// open is access that nothing stands against yet.
func open() channelAccess { return channelAccess{now: true, then: true, lost: ^coursesync.Seq(0)} }

// look finds out what the phone is to be told, in one view. start is the head of the view in which the build began.
func (b *build) look(a *access, start coursesync.Seq) (window, error) {
	v := a.view.Log()
	w := windower{access: a, d: &b.d, since: b.r.Since, start: start}
	w.whole = w.since == 0 || w.since > v.Head() || w.since < v.Start() || !b.fits()
	if err := w.channels(); err != nil {
		return w.window, err
	}
	if w.expired {
		w = windower{access: a, d: &b.d, since: b.r.Since, start: start}
		w.whole = true
		if err := w.channels(); err != nil {
			return w.window, err
		}
	}
	return w.window, nil
}

// channels goes through all channels that have to do with the caller.
func (w *windower) channels() error {
	if w.d.has(catalogKinds) {
		w.add(catalog.ChannelCatalog, open())
	}
	if w.actor.Anonymous() {
		return nil
	}
	var err error
	if w.members, err = w.view.Memberships(w.actor.Subject); err != nil {
		return err
	}
	w.organizations()
	if w.d.has(learnerKinds) {
		w.add(catalog.LearnerChannel(w.actor.Subject), open())
	}
	if !w.d.has(contentKinds) {
		return nil
	}
	list, err := w.enrolled()
	if err != nil {
		return err
	}
	for i := range list {
		if err := w.course(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

// organizations adds the channels of those that the learner belongs or belonged to.
func (w *windower) organizations() {
	orgs := []catalog.OrgID{}
	if w.org != "" {
		orgs = append(orgs, w.org)
	}
	for _, m := range w.members {
		if m.Org != w.org {
			orgs = append(orgs, m.Org)
		}
		if m.Active && m.Org != w.org && (w.hold == 0 || m.Since-1 < w.hold) {
			// The token is older than the membership and denies it. When a newer one comes, nothing in the log tells that: the number must be one
			// to which the membership is news.
			w.hold = m.Since - 1
		}
	}
	if !w.d.has(catalogKinds) {
		return
	}
	for _, org := range orgs {
		c := open()
		w.member(&c, org)
		w.add(catalog.OrgChannel(org), c)
	}
}

// member adds what membership says about access to what an organization has.
func (w *windower) member(c *channelAccess, org catalog.OrgID) {
	at := slices.IndexFunc(w.members, func(m catalog.MembershipOf) bool { return m.Org == org })
	switch {
	case at < 0 && org == w.org: // on nobody's record: perhaps it was not there before
		c.since = w.start
	case at < 0:
		c.now, c.then = false, false
	case !w.members[at].Active:
		c.lacks(w.members[at].Since, w.since)
		c.since = max(c.since, w.members[at].Since)
	case org != w.org: // it is the token that denies it
		c.now, c.then, c.lost = false, c.then && w.since >= w.members[at].Created, min(c.lost, w.since)
	default:
		c.since = max(c.since, w.members[at].Since)
	}
}

// course adds the channel of a course that the learner takes or took.
func (w *windower) course(e *catalog.EnrollmentOf) error {
	c, id := open(), string(e.Course)
	if c.since = e.Since; !e.Active {
		c.lacks(e.Since, w.since)
	}
	org := catalog.OrgOf(id)
	if org != "" {
		w.member(&c, org)
	}
	ch, known := w.view.Log().Get(catalog.KindCourse, id)
	if !known { // forgotten, its tombstone too
		w.expired = w.expired || w.since < w.view.Log().Floor(catalog.OrgChannel(org), catalog.KindCourse)
		return nil
	}
	since := ch.Since
	if ch.Op == coursesync.OpDelete {
		since = ch.Seq
	}
	published, _, err := catalog.PublishedIn(ch)
	if err != nil {
		return err
	}
	if c.since = max(c.since, since); !published {
		c.lacks(since, w.since)
	}
	channel := catalog.ContentChannel(e.Course)
	if c.now {
		if c.now, err = w.reads(channel); err != nil {
			return err
		}
		c.lost = min(c.lost, c.since)
	}
	w.add(channel, c)
	return nil
}

// add adds a channel, if there may be something to tell of it.
func (w *windower) add(ch coursesync.Channel, c channelAccess) {
	switch {
	case w.whole:
		if c.now {
			w.places = append(w.places, place{channel: ch, base: w.start})
		}
		return
	case !c.now && !c.then:
		return
	case w.since < w.view.Log().Floor(ch, kindsOf(ch)...):
		w.expired = true
	case !c.now:
		w.places = append(w.places, place{channel: ch, emptied: c.lost})
	case c.since > w.since:
		w.places = append(w.places, place{channel: ch, base: w.since})
	case len(w.d.whole) > 0:
		w.places = append(w.places, place{channel: ch, base: w.since, from: w.since})
	default:
		w.places = append(w.places, place{channel: ch, at: w.since})
	}
}
