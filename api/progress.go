package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

type progressBody struct {
	Position     float64            `json:"position"`
	Completed    bool               `json:"completed"`
	TimeByDevice map[string]float64 `json:"time_by_device,omitempty"`
	Course       readOnly           `json:"course"`
	Lesson       readOnly           `json:"lesson"`
	Version      readOnly           `json:"version"`
	UpdatedAt    readOnly           `json:"updated_at"`
}

type progressView struct {
	Course       catalog.CourseID   `json:"course"`
	Lesson       string             `json:"lesson"`
	Position     float64            `json:"position"`
	Completed    bool               `json:"completed"`
	TimeByDevice map[string]float64 `json:"time_by_device"`
}

type progressItem struct {
	progressView
	versioned
}

func showProgress(id catalog.CourseID, lesson string, p catalog.Progress) progressView {
	return progressView{Course: id, Lesson: lesson, Position: p.Position, Completed: p.Completed, TimeByDevice: orEmptyMap(p.TimeByDevice)}
}

func (a *API) myProgress(w http.ResponseWriter, r *http.Request) error {
	return listMine(a, w, r, func(p catalog.Page) (catalog.List[catalog.MyProgress], error) {
		return a.cfg.Catalog.MyProgress(r.Context(), me(r), p)
	}, func(m catalog.MyProgress) progressItem {
		return progressItem{showProgress(m.Course, m.Lesson, m.Value), versionOf(m.Stored)}
	})
}

// putMyProgress answers with what progress is after the merge. It takes no conditions: progress has no conflicts.
func (a *API) putMyProgress(w http.ResponseWriter, r *http.Request) error {
	body, err := decodeBody[progressBody](w, r, maxSmallBody)
	if err != nil {
		return err
	}
	lesson := r.PathValue("lesson")
	status := http.StatusOK
	var merged catalog.Progress
	err = a.update(w, r, func(tx *catalog.Tx) error {
		before, err := tx.MyProgressIn(me(r), myCourse(r))
		if err != nil {
			return err
		}
		_, existed := before[lesson]
		status = createdUnless(existed)
		p := catalog.Progress{Position: body.Position, Completed: body.Completed, TimeByDevice: body.TimeByDevice}
		if _, err = tx.PutProgress(me(r), myCourse(r), lesson, p); err != nil {
			return err
		}
		after, err := tx.MyProgressIn(me(r), myCourse(r))
		merged = after[lesson]
		return err
	})
	if err != nil {
		return err
	}
	return sendJSON(w, status, showProgress(myCourse(r), lesson, merged))
}

// exportBody is everything held about a learner.
type exportBody struct {
	Subject    catalog.LearnerID                        `json:"subject"`
	ExportedAt time.Time                                `json:"exported_at"`
	Kinds      map[coursesync.Kind][]catalog.ExportItem `json:"kinds"`
}

func (a *API) exportMe(w http.ResponseWriter, r *http.Request) error {
	kinds, err := a.cfg.Catalog.Export(r.Context(), me(r))
	if err != nil {
		return err
	}
	now := a.now().UTC().Truncate(time.Second)
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="carrel-%s.json"`, now.Format(time.DateOnly)))
	return sendJSON(w, http.StatusOK, exportBody{Subject: me(r), ExportedAt: now, Kinds: orEmptyMap(kinds)})
}

// eraseMe erases the caller's account. Sessions end after the commit: a crash in between leaves cookies that the erasure itself refuses.
func (a *API) eraseMe(w http.ResponseWriter, r *http.Request) error {
	err := a.update(w, r, func(tx *catalog.Tx) error { return tx.Erase(me(r)) })
	if err == nil && a.cfg.Sessions != nil {
		err = a.cfg.Sessions.EndAll(me(r))
	}
	return sendNothing(w, err)
}
