package web

import (
	"net/http"
	"net/url"
	"time"

	"github.com/carrel-lms/carrel/catalog"
)

// mostStars is the best rating.
const mostStars = 5

// addReviews adds a page of what learners say of a course.
func (p *pages) addReviews(r *http.Request, v *visit, doc catalog.Document, body *coursePageBody) error {
	list, err := p.cfg.Catalog.Reviews(r.Context(), v.actor, doc.ID, catalog.Page{Limit: reviewsShown, After: r.URL.Query().Get("reviews")})
	if err != nil {
		return err
	}
	for _, x := range list.Items {
		stars := float64(x.Rating)
		item := reviewItem{
			ID: x.ID, By: x.By, Text: x.Text, Rating: v.rating(&stars, 0), When: v.text.Date(x.At), At: x.At.UTC().Format(time.DateOnly), Hidden: x.Hidden,
		}
		if item.By == "" {
			item.By = v.text.Text("person.anonymous", nil)
		}
		body.Reviews = append(body.Reviews, item)
	}
	if list.Next != "" {
		body.MoreReviews = withQuery(courseURL(doc.ID), url.Values{"reviews": {list.Next}}) + "#reviews"
	}
	return nil
}

// histogram adds the distribution of the ratings given here, five stars first.
func (v *visit) histogram(view *catalog.View, id catalog.CourseID, body *coursePageBody) error {
	counts, err := view.RatingHistogram(id)
	if err != nil {
		return err
	}
	total := 0
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return nil
	}
	body.BarsText = v.text.Plural("page.course.ratings_here", total, nil)
	for stars := mostStars; stars >= 1; stars-- {
		n := counts[stars-1]
		body.Bars = append(body.Bars, bar{Stars: stars, Count: n, Percent: n * 100 / total, Text: v.text.Plural("rating.stars", stars, nil)})
	}
	return nil
}

// reviewForm fills in the form by which the enrolled rate a course and its instructors.
func (v *visit) reviewForm(doc catalog.Document, my mine, body *coursePageBody) {
	if !body.MayReview {
		return
	}
	given := catalog.Review{}
	if my.review != nil {
		given = *my.review
		body.Review = &myReview{Rating: given.Rating, Text: given.Text}
	}
	body.Stars = v.starChoices(given.Rating)
	for _, who := range doc.Instructors {
		body.Rates = append(body.Rates, instructorRate{string(who.ID), who.Name, v.starChoices(given.Instructors[who.ID])})
	}
}

func (v *visit) starChoices(given int) []starChoice {
	var list []starChoice
	for n := 1; n <= mostStars; n++ {
		list = append(list, starChoice{n, v.text.Plural("rating.stars", n, nil), n == given})
	}
	return list
}
