package catalog

import (
	"maps"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/fault"
)

const (
	maxStars      = 5     // CONTRACT: 1 to 5
	maxReviewText = 5_000 // two pages; the longest that people write
)

// PutReview writes a learner's review. The learner or an administrator may. fault.NotEnrolled unless active or completed, fault.Conflict for a
// draft. An instructor rated must be one of the course. By is the display name of the token when it is empty. Hidden is kept as it is; At is
// now when anything changed (an administrator who writes for another may give it: imported reviews have their own dates).
func (tx *Tx) PutReview(who LearnerID, id CourseID, r Review, cond Cond) (bool, error) {
	const op = "catalog.PutReview"
	id = nfc(id)
	if err := tx.mayActFor(op, who); err != nil {
		return false, err
	}
	course, err := tx.CourseFor(tx.overlay.actor, id)
	if err != nil {
		return false, err
	}
	if err := tx.studying(op, who, id); err != nil {
		return false, err
	}
	if course.Value.State == Draft {
		return false, fault.New(op, fault.Conflict, "state", string(Draft))
	}
	old, exists, err := tx.MyReview(who, id)
	if err != nil {
		return false, err
	}
	if err := cond.check(old.Version, exists); err != nil {
		return false, err
	}
	if r, err = tx.review(op, who, r, course.Value, old.Value); err != nil {
		return false, err
	}
	if !exists {
		if err := tx.openAccount(op, who, 0); err != nil {
			return false, err
		}
	}
	return tx.put(KindReview, ofLearner(who, id), learnerChannel(who), r, putOpts{cond: cond})
}

// review checks a review and brings it into the form that is stored; old is the zero Review when there is none.
func (tx *Tx) review(op string, who LearnerID, r Review, c Course, old Review) (Review, error) {
	actor := tx.overlay.actor
	var p problems
	p.between("/rating", r.Rating, 1, maxStars)
	for _, instructor := range slices.Sorted(maps.Keys(r.Instructors)) {
		at := "/instructors/" + pointerPart(clip(string(instructor)))
		p.between(at, r.Instructors[instructor], 1, maxStars)
		// One who was rated while teaching the course may stay in the review, so that it can be edited.
		if _, was := old.Instructors[instructor]; !was && !slices.Contains(c.Instructors, instructor) {
			p.add(at, fault.UnknownRef, "does not teach the course", "id", clip(string(instructor)))
		}
	}
	if len(r.Instructors) == 0 {
		r.Instructors = nil
	}
	r.Text = p.text("/text", r.Text, maxReviewText)
	if r.By = p.line("/by", r.By, maxName); r.By == "" && actor.Subject == who {
		r.By = cleanName(actor.Name)
	}
	if err := p.err(op); err != nil {
		return r, err
	}
	r.Hidden = old.Hidden
	given := moment(r.At)
	r.At = old.At
	switch {
	case actor.Subject != who && given.Unix() > 0:
		r.At = given
	case !equalBodies(r, old):
		r.At = tx.overlay.now
	}
	return r, nil
}

// cleanName makes a display name of a token's claim: what does not fit is no reason to refuse a review.
func cleanName(name string) string {
	var p problems
	name = p.line("", strings.ToValidUTF8(name, ""), maxName)
	if len(p.fields) > 0 {
		return ""
	}
	return name
}

// DeleteReview removes a learner's review, also of a course that is gone. fault.NotFound when there is none.
func (tx *Tx) DeleteReview(who LearnerID, id CourseID, cond Cond) error {
	const op = "catalog.DeleteReview"
	id = nfc(id)
	if err := tx.mayActFor(op, who); err != nil {
		return err
	}
	old, exists, err := tx.MyReview(who, id)
	if err != nil {
		return err
	}
	if err := cond.check(old.Version, exists); err != nil {
		return err
	}
	if !exists {
		return fault.New(op, fault.NotFound)
	}
	return tx.del(KindReview, ofLearner(who, id), learnerChannel(who), cond)
}

// HideReview hides or shows a review, by an editor of its course. reviewID is ReviewView.ID. Its rating goes on counting: editors judge texts,
// not opinions.
func (tx *Tx) HideReview(id CourseID, reviewID string, hidden bool) (bool, error) {
	const op = "catalog.HideReview"
	id = nfc(id)
	actor := tx.overlay.actor
	if _, err := tx.CourseFor(actor, id); err != nil {
		return false, err
	}
	org := OrgOf(string(id))
	if err := tx.mayWrite(op, org, actor.Edits(org)); err != nil {
		return false, err
	}
	for _, learner := range tx.tables().scan(tableReviews, joinKey(string(id), ""), "") {
		if tx.c.learner.reviewID(string(learner), id) != reviewID {
			continue
		}
		who := learnerOf(string(learner))
		s, ok, err := tx.MyReview(who, id)
		if err != nil || !ok {
			return false, err
		}
		s.Value.Hidden = hidden
		return tx.put(KindReview, ofLearner(who, id), learnerChannel(who), s.Value, putOpts{})
	}
	return false, fault.New(op, fault.NotFound)
}
