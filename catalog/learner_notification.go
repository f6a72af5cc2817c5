package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// MaxNotifications is how many notifications a learner has; the oldest give way. Whoever has not read for two hundred will not go back further, and
	// an inbox is small enough to be put into order when it is read.
	MaxNotifications = 200
	// maxNotified bounds what a notification counts: it is more than there are courses, or rows in a file.
	maxNotified = 1_000_000_000
)

// NotificationID names one of a learner's notifications. Who writes one makes its id of what it tells of, so that the same news told twice is one.
type NotificationID string

// NotificationRule says why a learner is notified. It names the texts: notification.RULE.title and .body.
type NotificationRule string

// The rules.
const (
	RuleCourseChanged    NotificationRule = "course_changed"    // a course that I take changed in what matters; data: course (its title)
	RuleSearchMatch      NotificationRule = "search_match"      // new courses match a saved search; data: search (its name), course (the first one's title); counts courses
	RuleInstructorCourse NotificationRule = "instructor_course" // one who taught a course that I rated or completed published another; data: instructor, course
	RuleImportFinished   NotificationRule = "import_finished"   // an import of mine is done; data: file (its name, else the id); counts rejected rows
)

// NotificationRules lists the rules.
var NotificationRules = []NotificationRule{RuleCourseChanged, RuleSearchMatch, RuleInstructorCourse, RuleImportFinished}

// notificationRules says what a notification of each rule is about, what its data hold, and whether it counts.
var notificationRules = map[NotificationRule]struct {
	about  coursesync.Kind
	data   []string
	counts bool
}{
	RuleCourseChanged:    {KindCourse, []string{"course"}, false},
	RuleSearchMatch:      {KindSavedSearch, []string{"search", "course"}, true},
	RuleInstructorCourse: {KindCourse, []string{"instructor", "course"}, false},
	RuleImportFinished:   {KindImport, []string{"file"}, true},
}

// Notification tells a learner of something. It holds no sentences: they are made when it is read, in the reader's language.
type Notification struct {
	Rule    NotificationRule  `json:"rule"`
	Subject Subject           `json:"subject"`         // what it is about, as it was then: perhaps gone or invisible by now
	Data    map[string]string `json:"data"`            // names for the texts, by the rule
	Count   int               `json:"count,omitempty"` // what the rule counts
	At      time.Time         `json:"at"`              // when it happened
	Read    bool              `json:"read"`            // only ever becomes true
}

// Subject names the entity that a notification is about.
type Subject struct {
	Kind coursesync.Kind `json:"kind"`
	ID   string          `json:"id"` // without the learner
}

// MyNotification is one of a learner's notifications.
type MyNotification struct {
	ID NotificationID
	Stored[Notification]
}

// place orders notifications by when they happened, then by id, so that greater is newer.
func (m MyNotification) place() string { return notificationPlace(m.Value.At, m.ID) }

func notificationPlace(at time.Time, id NotificationID) string {
	return fmt.Sprintf("%016d/%s", max(at.UnixMilli(), 0), id)
}

// MyNotifications lists a learner's notifications, newest first.
func (c *Catalog) MyNotifications(ctx context.Context, who LearnerID, p Page) (List[MyNotification], error) {
	var list List[MyNotification]
	err := c.View(ctx, func(v *View) error {
		all, err := v.notifications(who)
		if err != nil {
			return err
		}
		l := lister[MyNotification]{limit: p.limit()}
		for _, m := range all {
			place := m.place()
			if p.After != "" && place >= p.After {
				continue
			}
			if !l.add(place, m) {
				break
			}
		}
		list = l.list
		return nil
	})
	return list, err
}

// notifications returns all that a learner has, newest first.
func (v *View) notifications(who LearnerID) ([]MyNotification, error) {
	prefix := learnerPrefix(who)
	var all []MyNotification
	for ch := range entities(v, KindNotification, prefix, "") {
		s, err := decode[Notification](ch)
		if err != nil {
			return nil, err
		}
		all = append(all, MyNotification{NotificationID(strings.TrimPrefix(ch.Key, prefix)), s})
	}
	slices.SortFunc(all, func(a, b MyNotification) int { return strings.Compare(b.place(), a.place()) })
	return all, nil
}

// MyNotification returns one of a learner's notifications, and whether there is one.
func (v *View) MyNotification(who LearnerID, id NotificationID) (Stored[Notification], bool, error) {
	return load[Notification](v, KindNotification, learnerPrefix(who)+string(nfc(id)))
}

// PutNotification notifies a learner, and reports whether that is new: one whose id is there stays as it is, so that a follower may tell its
// news again. Administrators bound to no organization may, the program above all. At is now when it is zero. Read is not asked for.
//
// The learner has [MaxNotifications] at most: the oldest are deleted in the same write, and one that is older than all of them is not written.
// fault.AccountErased when the learner left and did not come back: a follower that is behind must not bring an account to life.
func (tx *Tx) PutNotification(who LearnerID, id NotificationID, n Notification) (bool, error) {
	const op = "catalog.PutNotification"
	id = nfc(id)
	if err := tx.mayActFor(op, who); err != nil {
		return false, err
	}
	if actor := tx.overlay.actor; !actor.Has(RoleAdmin) || actor.Org != "" {
		return false, fault.New(op, fault.Forbidden)
	}
	var p problems
	p.id("/id", string(id))
	n = p.notification(n)
	if err := p.err(op); err != nil {
		return false, err
	}
	if n.At.Unix() <= 0 {
		n.At = tx.overlay.now
	}
	key := learnerPrefix(who) + string(id)
	if tx.exists(KindNotification, key) {
		return false, nil
	}
	if err := tx.mustBeThere(op, who); err != nil {
		return false, err
	}
	if room, err := tx.makeRoom(who, id, n); err != nil || !room {
		return false, err
	}
	if err := tx.openAccount(op, who, 0); err != nil { // of two who notify at once, the second makes room again
		return false, err
	}
	return tx.put(KindNotification, key, learnerChannel(who), n, putOpts{})
}

// mustBeThere refuses to write for a learner who was erased and has made nothing since.
func (tx *Tx) mustBeThere(op string, who LearnerID) error {
	if tx.exists(KindErasure, tx.c.learner.hash(who)) && !tx.exists(kindAccount, learnerKey(who)) {
		return fault.New(op, fault.AccountErased)
	}
	return nil
}

// makeRoom deletes a learner's oldest notifications for a new one; it reports false when the new one is older than all that would stay.
func (tx *Tx) makeRoom(who LearnerID, id NotificationID, n Notification) (bool, error) {
	all, err := tx.notifications(who)
	if err != nil || len(all) < MaxNotifications {
		return err == nil, err
	}
	if notificationPlace(n.At, id) < all[MaxNotifications-1].place() {
		return false, nil
	}
	for _, old := range all[MaxNotifications-1:] {
		if err := tx.del(KindNotification, learnerPrefix(who)+string(old.ID), learnerChannel(who), Cond{}); err != nil {
			return false, err
		}
	}
	return true, nil
}

// notification checks a notification, and returns it as it is stored.
func (p *problems) notification(n Notification) Notification {
	rule, known := notificationRules[n.Rule]
	if !known {
		p.add("/rule", fault.BadValue, "is no rule", "allowed", "course_changed, search_match, instructor_course, import_finished")
		return n
	}
	n.Subject.ID = nfc(n.Subject.ID)
	if n.Subject.Kind != rule.about {
		p.add("/subject/kind", fault.BadValue, "is not what the rule is about", "allowed", string(rule.about))
	}
	if !validOrgID(n.Subject.ID) {
		p.add("/subject/id", fault.BadID, "is no id")
	}
	most := 0
	if rule.counts {
		most = maxNotified
	}
	p.between("/count", n.Count, 0, most)
	data := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(n.Data)) {
		if at := "/data/" + pointerPart(clip(name)); slices.Contains(rule.data, name) {
			data[name] = p.line(at, n.Data[name], maxTitle)
		} else {
			p.add(at, fault.UnknownField, "is not of the rule")
		}
	}
	for _, name := range rule.data {
		p.required("/data/"+name, data[name])
	}
	n.At, n.Read, n.Data = moment(n.At), false, data
	return n
}

// ReadNotification merges what one of the learner's devices says into a notification: read is true when either is, and nothing else moves. The learner or
// an administrator may. It reports whether that changes anything; fault.NotFound when there is none.
func (tx *Tx) ReadNotification(who LearnerID, id NotificationID, read bool) (bool, error) {
	const op = "catalog.ReadNotification"
	id = nfc(id)
	if err := tx.mayActFor(op, who); err != nil {
		return false, err
	}
	old, exists, err := tx.MyNotification(who, id)
	if err != nil {
		return false, err
	}
	if !exists {
		return false, fault.New(op, fault.NotFound)
	}
	n := old.Value
	n.Read = n.Read || read
	return tx.put(KindNotification, learnerPrefix(who)+string(id), learnerChannel(who), n, putOpts{})
}
