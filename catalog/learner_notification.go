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

// RuleImportFailed is what [RuleImportFinished] tells of an import that came to no end; data: file. It is preferred and silenced as that is.
const RuleImportFailed NotificationRule = "import_failed"

// NotificationRules lists the rules that learners have preferences for.
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
	RuleImportFailed:     {KindImport, []string{"file"}, false},
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

// PutNotification notifies a learner, and reports whether that is new: see [Tx.PutNotifications].
func (tx *Tx) PutNotification(who LearnerID, id NotificationID, n Notification) (bool, error) {
	outcomes, err := tx.PutNotifications(who, []NewNotification{{id, n}})
	if err != nil {
		return false, err
	}
	return outcomes[0].New, outcomes[0].Err
}

// NewNotification is one that is to be put.
type NewNotification struct {
	ID    NotificationID
	Value Notification
}

// PutOutcome is what became of it.
type PutOutcome struct {
	New bool
	Err error // fault.InvalidFields for one that is not as it should be
}

// PutNotifications notifies a learner, and says of each whether it is new: one whose id is there stays as it is, so that a follower may tell its
// news again. Administrators bound to no organization may, the program above all. At is now when it is zero. Read is not asked for. One that is not as it should
// be is left out, and keeps none of the others from being written.
//
// The learner has [MaxNotifications] at most: the oldest are deleted in the same write, and what is older than all that stay is not written.
// fault.AccountErased when the learner left and did not come back: a follower that is behind must not bring an account to life.
func (tx *Tx) PutNotifications(who LearnerID, list []NewNotification) ([]PutOutcome, error) {
	const op = "catalog.PutNotifications"
	if err := tx.mayActFor(op, who); err != nil {
		return nil, err
	}
	if actor := tx.overlay.actor; !actor.Has(RoleAdmin) || actor.Org != "" {
		return nil, fault.New(op, fault.Forbidden)
	}
	outcomes := make([]PutOutcome, len(list))
	var fresh []MyNotification
	at := map[NotificationID]int{}
	for i, one := range list {
		m, err := tx.newNotification(op, one)
		outcomes[i].Err = err
		if _, twice := at[m.ID]; err != nil || twice || tx.exists(KindNotification, learnerPrefix(who)+string(m.ID)) {
			continue
		}
		fresh, at[m.ID] = append(fresh, m), i
	}
	if len(fresh) == 0 {
		return outcomes, nil
	}
	if err := tx.mustBeThere(op, who); err != nil {
		return nil, err
	}
	fresh, err := tx.makeRoom(who, fresh)
	if err != nil || len(fresh) == 0 {
		return outcomes, err
	}
	if err := tx.openAccount(op, who, 0); err != nil { // of two who notify at once, the second makes room again
		return nil, err
	}
	for _, m := range fresh {
		if outcomes[at[m.ID]].New, err = tx.put(KindNotification, learnerPrefix(who)+string(m.ID), learnerChannel(who), m.Value, putOpts{}); err != nil {
			return nil, err
		}
	}
	return outcomes, nil
}

// newNotification checks one that is to be put.
func (tx *Tx) newNotification(op string, one NewNotification) (MyNotification, error) {
	m := MyNotification{ID: nfc(one.ID)}
	var p problems
	p.id("/id", string(m.ID))
	m.Value = p.notification(one.Value)
	if m.Value.At.Unix() <= 0 {
		m.Value.At = tx.overlay.now
	}
	return m, p.err(op)
}

// mustBeThere refuses to write for a learner who was erased and has made nothing since.
func (tx *Tx) mustBeThere(op string, who LearnerID) error {
	if tx.exists(KindErasure, tx.c.learner.hash(who)) && !tx.exists(kindAccount, learnerKey(who)) {
		return fault.New(op, fault.AccountErased)
	}
	return nil
}

// makeRoom deletes a learner's oldest notifications for new ones, and returns those of the new ones that are not older than all that stay.
func (tx *Tx) makeRoom(who LearnerID, fresh []MyNotification) ([]MyNotification, error) {
	v := &View{c: tx.c, bv: tx.bv} // the account guards the inbox, not each of its rows: a command would have too many of them
	for key := range tx.overlay.writes[KindNotification] {
		if strings.HasPrefix(key, learnerPrefix(who)) {
			v = &tx.View // the command has written some itself
			break
		}
	}
	if v.holds(KindNotification, who)+len(fresh) <= MaxNotifications {
		return fresh, nil
	}
	all, err := v.notifications(who)
	if err != nil {
		return nil, err
	}
	isNew := map[NotificationID]bool{}
	for _, m := range fresh {
		isNew[m.ID] = true
	}
	all = append(all, fresh...)
	slices.SortFunc(all, func(a, b MyNotification) int { return strings.Compare(b.place(), a.place()) })
	for _, old := range all[MaxNotifications:] {
		if isNew[old.ID] {
			delete(isNew, old.ID)
		} else if err := tx.del(KindNotification, learnerPrefix(who)+string(old.ID), learnerChannel(who), Cond{}); err != nil {
			return nil, err
		}
	}
	return slices.DeleteFunc(fresh, func(m MyNotification) bool { return !isNew[m.ID] }), nil
}

// notification checks a notification, and returns it as it is stored.
func (p *problems) notification(n Notification) Notification {
	rule, known := notificationRules[n.Rule]
	if !known {
		p.add("/rule", fault.BadValue, "is no rule", "allowed", "course_changed, search_match, instructor_course, import_finished, import_failed")
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
