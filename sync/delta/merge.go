package delta

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// The merge rules, one for each kind that a phone changes. None of them uses a clock of the phone's.
//
//	progress     position is the greater, completed is either, time the greater for each device: never a conflict
//	preference   the one that arrives last
//	bookmark     setting always works and makes a version; removing needs the current version, or that it is the same client's
//	notification read is either
//	enrollment, review, saved_search   need the current version (none: that there is nothing), else conflict

// apply carries out one mutation.
func (s *Service) apply(tx *catalog.Tx, p *Push, m *Mutation) (Status, error) {
	switch m.Kind {
	case catalog.KindEnrollment:
		return p.enroll(tx, m)
	case catalog.KindReview:
		return p.review(tx, m)
	case catalog.KindProgress:
		return p.progress(tx, m)
	case catalog.KindBookmark:
		return p.bookmark(tx, m)
	case catalog.KindPreference:
		return p.prefer(tx, m)
	case catalog.KindSavedSearch:
		return s.saveSearch(tx, p, m)
	case catalog.KindNotification:
		return p.read(tx, m)
	}
	return Rejected, badMutation("/kind", fault.BadValue, "is no kind that a phone changes", "allowed",
		"enrollment, review, progress, bookmark, saved_search, preference, notification")
}

func badMutation(pointer string, code fault.Code, detail string, pairs ...any) error {
	return fault.Invalid("delta.Push", fault.BadField(pointer, code, detail, pairs...))
}

// docOf decodes a mutation's document. It may hold all that the row holds; what is not for learners to change is ignored.
func docOf[T any](m *Mutation) (T, error) {
	var doc T
	if len(m.Doc) == 0 {
		return doc, badMutation("/doc", fault.Required, "is missing")
	}
	dec := json.NewDecoder(bytes.NewReader(m.Doc))
	dec.DisallowUnknownFields()
	err := dec.Decode(&doc)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one document")
		}
	}
	if err != nil {
		wrong := badMutation("/doc", fault.WrongType, "is no such document: "+err.Error(), "want", string(m.Kind))
		return doc, wrong
	}
	return doc, nil
}

// cond is the condition of a mutation that does not merge.
func (m *Mutation) cond() catalog.Cond {
	switch {
	case m.agreed:
		return catalog.Cond{}
	case m.Base == 0:
		return catalog.Cond{MustNotExist: true}
	}
	return catalog.Cond{Version: m.Base}
}

// goneAlready turns the absence of what is to be deleted into success.
func goneAlready(exists bool, del func() error) (Status, error) {
	if !exists {
		return Applied, nil
	}
	return Applied, del()
}

func (p *Push) enroll(tx *catalog.Tx, m *Mutation) (Status, error) {
	who, id := p.Actor.Subject, catalog.CourseID(m.Key)
	if m.Op == opDelete {
		_, exists, err := tx.MyEnrollment(who, id)
		if err != nil {
			return Rejected, err
		}
		return goneAlready(exists, func() error { return tx.DeleteEnrollment(who, id, m.cond()) })
	}
	doc, err := docOf[EnrollmentRow](m)
	if err != nil {
		return Rejected, err
	}
	_, err = tx.PutEnrollment(who, id, doc.State, m.cond())
	return Applied, err
}

func (p *Push) review(tx *catalog.Tx, m *Mutation) (Status, error) {
	who, id := p.Actor.Subject, catalog.CourseID(m.Key)
	if m.Op == opDelete {
		_, exists, err := tx.MyReview(who, id)
		if err != nil {
			return Rejected, err
		}
		return goneAlready(exists, func() error { return tx.DeleteReview(who, id, m.cond()) })
	}
	doc, err := docOf[ReviewRow](m)
	if err != nil {
		return Rejected, err
	}
	_, err = tx.PutReview(who, id, catalog.Review{Rating: doc.Rating, Instructors: doc.Instructors, Text: doc.Text}, m.cond())
	return Applied, err
}

func (p *Push) progress(tx *catalog.Tx, m *Mutation) (Status, error) {
	if m.Op == opDelete {
		return Rejected, badMutation("/op", fault.BadValue, "progress is never deleted", "allowed", opUpsert)
	}
	doc, err := docOf[ProgressRow](m)
	if err != nil {
		return Rejected, err
	}
	course, lesson, _ := strings.Cut(m.Key, "/")
	sent := catalog.Progress{Position: doc.Position, Completed: doc.Completed, TimeByDevice: doc.TimeByDevice}
	if _, err := tx.PutProgress(p.Actor.Subject, catalog.CourseID(course), lesson, sent); err != nil {
		return Rejected, err
	}
	now, _, err := tx.MyProgressAt(p.Actor.Subject, catalog.CourseID(course), lesson)
	if err != nil {
		return Rejected, err
	}
	if reflect.DeepEqual(now.Value.Merge(catalog.Progress{}), sent.Merge(catalog.Progress{})) {
		return Applied, nil
	}
	return Merged, nil
}

func (p *Push) bookmark(tx *catalog.Tx, m *Mutation) (Status, error) {
	who, id := p.Actor.Subject, catalog.CourseID(m.Key)
	if m.Op == opUpsert {
		if len(m.Doc) > 0 { // it need not have one
			if _, err := docOf[BookmarkRow](m); err != nil {
				return Rejected, err
			}
		}
		_, err := tx.PutBookmarkBy(who, id, p.Client)
		return Applied, err
	}
	mark, exists, err := tx.MyBookmark(who, id)
	if err != nil {
		return Rejected, err
	}
	if exists && !m.agreed && mark.Value.By != p.Client && (m.Base == 0 || mark.Version != m.Base) {
		return Conflicts, fault.New("delta.Push", fault.LostUpdate)
	}
	return goneAlready(exists, func() error { return tx.DeleteBookmark(who, id) })
}

func (p *Push) prefer(tx *catalog.Tx, m *Mutation) (Status, error) {
	all, err := tx.MyPreferences(p.Actor.Subject)
	if err != nil {
		return Rejected, err
	}
	value := ""
	if m.Op == opUpsert {
		doc, err := docOf[PreferenceRow](m)
		if err != nil {
			return Rejected, err
		}
		value = doc.Value
	}
	if !all.Set(m.Key, value) {
		return Rejected, badMutation("/key", fault.BadValue, "is no preference", "allowed", strings.Join(catalog.PreferenceNames(), ", "))
	}
	return Applied, tx.PutPreferences(p.Actor.Subject, all)
}

func (s *Service) saveSearch(tx *catalog.Tx, p *Push, m *Mutation) (Status, error) {
	who, id := p.Actor.Subject, catalog.SavedSearchID(m.Key)
	if m.Op == opDelete {
		_, exists, err := tx.MySavedSearch(who, id)
		if err != nil {
			return Rejected, err
		}
		return goneAlready(exists, func() error { return tx.DeleteSavedSearch(who, id, m.cond()) })
	}
	doc, err := docOf[SavedSearchRow](m)
	if err == nil {
		err = s.cfg.CheckSearch(p.Actor, doc.Query)
	}
	if err != nil {
		return Rejected, err
	}
	_, err = tx.PutSavedSearch(who, id, catalog.SavedSearch{Name: doc.Name, Query: doc.Query, Notify: doc.Notify}, m.cond())
	return Applied, err
}

func (p *Push) read(tx *catalog.Tx, m *Mutation) (Status, error) {
	if m.Op == opDelete {
		return Rejected, badMutation("/op", fault.BadValue, "a notification is read, not deleted", "allowed", opUpsert)
	}
	doc, err := docOf[NotificationRow](m)
	if err != nil {
		return Rejected, err
	}
	_, err = tx.ReadNotification(p.Actor.Subject, catalog.NotificationID(m.Key), doc.Read)
	return Applied, err
}
