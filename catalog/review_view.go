package catalog

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/carrel-lms/carrel/fault"
)

// ReviewView is a published review as readers see it.
type ReviewView struct {
	Learner LearnerID `json:"-"`  // for the editor who hides it
	ID      string    `json:"id"` // opaque; the editor's PATCH names it; says nothing of the learner
	Rating  int       `json:"rating"`
	Text    string    `json:"text"`
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Hidden  bool      `json:"hidden,omitempty"` // seen by editors only
}

// Reviews lists the reviews of a course that the actor sees, newest first; hidden ones for its editors only. Errors: fault.NotFound,
// fault.InvalidCursor when Page.After is not from here.
func (c *Catalog) Reviews(ctx context.Context, actor Actor, id CourseID, p Page) (List[ReviewView], error) {
	id = nfc(id)
	prefix := joinKey(string(id), "")
	after := ""
	if p.After != "" {
		place, err := hex.DecodeString(p.After)
		if err != nil || len(place) != reviewPlace {
			return List[ReviewView]{}, fault.New("catalog.Reviews", fault.InvalidCursor)
		}
		after = prefix + string(place)
	}
	var list List[ReviewView]
	err := c.View(ctx, func(v *View) error {
		if _, err := v.CourseFor(actor, id); err != nil {
			return err
		}
		l := lister[ReviewView]{limit: p.limit()}
		editor := actor.Edits(OrgOf(string(id)))
		for key, learner := range v.tables().scan(tableReviews, prefix, after) {
			s, ok, err := v.MyReview(learnerOf(string(learner)), id)
			if err != nil {
				return err
			}
			if !ok || s.Value.Hidden && !editor {
				continue
			}
			if !l.add(hex.EncodeToString(key[len(prefix):]), v.reviewView(string(learner), id, s.Value)) {
				break
			}
		}
		list = l.list
		return nil
	})
	return list, err
}

func (v *View) reviewView(learner string, id CourseID, r Review) ReviewView {
	return ReviewView{
		Learner: learnerOf(learner), ID: v.c.learner.reviewID(learner, id),
		Rating: r.Rating, Text: r.Text, By: r.By, At: r.At, Hidden: r.Hidden,
	}
}

// RatingHistogram counts a course's reviews by rating, hidden ones too; index 0 is one star. Ratings from imports are known as sums only and are not in it.
func (v *View) RatingHistogram(id CourseID) ([5]int, error) {
	n, err := v.tables().course(nfc(id))
	return n.Stars, err
}
