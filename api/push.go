package api

import (
	"net/http"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/push"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// pushDefaults is what holds for an organization's learners who prefer nothing themselves, as it is written and read: null is not set.
type pushDefaults struct {
	QuietHours *string     `json:"quiet_hours"`
	DigestAt   *string     `json:"digest_at"`
	DailyCap   *int        `json:"daily_cap"`
	Notify     pushNotices `json:"notify"`
}

// pushNotices says how soon one hears of what; null is not set.
type pushNotices struct {
	CourseChanged    *catalog.Notify `json:"course_changed"`
	SearchMatch      *catalog.Notify `json:"search_match"`
	InstructorCourse *catalog.Notify `json:"instructor_course"`
	ImportFinished   *catalog.Notify `json:"import_finished"`
}

func showPushDefaults(d catalog.PushDefaults) pushDefaults {
	shown := pushDefaults{
		QuietHours: orNil(d.QuietHours), DigestAt: orNil(d.DigestAt),
		Notify: pushNotices{notifyOrNil(d.CourseChanged), notifyOrNil(d.SearchMatch), notifyOrNil(d.InstructorCourse), notifyOrNil(d.ImportFinished)},
	}
	if d.DailyCap > 0 {
		shown.DailyCap = &d.DailyCap
	}
	return shown
}

func notifyOrNil(n catalog.Notify) *catalog.Notify {
	if n == "" {
		return nil
	}
	return &n
}

// orZero is what a pointer leads to, and the zero value when it leads nowhere.
func orZero[T any](p *T) (value T) {
	if p != nil {
		value = *p
	}
	return value
}

func (d *pushDefaults) stored() catalog.PushDefaults {
	return catalog.PushDefaults{
		QuietHours: orZero(d.QuietHours), DigestAt: orZero(d.DigestAt), DailyCap: orZero(d.DailyCap),
		CourseChanged: orZero(d.Notify.CourseChanged), SearchMatch: orZero(d.Notify.SearchMatch),
		InstructorCourse: orZero(d.Notify.InstructorCourse), ImportFinished: orZero(d.Notify.ImportFinished),
	}
}

func (a *API) pushRoutes() []route {
	const defaults = "/v2/push/defaults"
	return []route{
		{method: http.MethodGet, path: defaults, do: a.getPushDefaults, query: []string{"org"}, private: true},
		{method: http.MethodPut, path: defaults, do: a.putPushDefaults, query: []string{"org"}, private: true},
		{method: http.MethodPost, path: "/v2/push/test", do: a.testPush},
	}
}

// pushOrg is the organization that is asked about: the administrator's own when none is named.
func pushOrg(r *http.Request) catalog.OrgID {
	c := callOf(r.Context())
	if c.query.Has("org") {
		return catalog.OrgID(c.query.Get("org"))
	}
	return c.actor.Org
}

func (a *API) getPushDefaults(w http.ResponseWriter, r *http.Request) error {
	var d catalog.PushDefaults
	err := a.view(r, func(v *catalog.View) (err error) {
		d, err = v.PushDefaultsFor(callOf(r.Context()).actor, pushOrg(r))
		return err
	})
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, showPushDefaults(d))
}

func (a *API) putPushDefaults(w http.ResponseWriter, r *http.Request) error {
	body, err := decodeBody[pushDefaults](w, r, maxSmallBody)
	if err != nil {
		return err
	}
	if n := body.DailyCap; n != nil && *n == 0 { // to the catalog 0 is what was not set, to the caller no message at all
		return fault.Invalid("api.putPushDefaults", fault.BadField("/daily_cap", fault.OutOfRange, "is 0", "min", 1, "max", catalog.MaxDailyCap))
	}
	err = a.update(w, r, func(tx *catalog.Tx) error { return tx.PutPushDefaults(pushOrg(r), body.stored()) })
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, showPushDefaults(body.stored()))
}

type testPushBody struct {
	Learner catalog.LearnerID `json:"learner"`
	Device  catalog.DeviceID  `json:"device"`
}

// testPushView says what the push service said.
type testPushView struct {
	Outcome push.Reason `json:"outcome"`
	Detail  string      `json:"detail,omitempty"`
}

// testPush sends a message to one device at once, so that an operator sees whether it arrives.
func (a *API) testPush(w http.ResponseWriter, r *http.Request) error {
	if err := operating(r); err != nil {
		return err
	}
	body, err := decodeBody[testPushBody](w, r, maxSmallBody)
	if err != nil {
		return err
	}
	if a.cfg.Push == nil {
		return fault.New("api.testPush", fault.PushNotConfigured)
	}
	outcome, err := a.cfg.Push.Test(r.Context(), body.Learner, body.Device)
	if err != nil {
		return err
	}
	return sendJSON(w, http.StatusOK, testPushView{Outcome: outcome.Reason, Detail: outcome.Detail})
}

// AsOf makes the token by which a read waits until it sees a change, for those who tell of it by other ways than an answer.
func (a *API) AsOf(seq coursesync.Seq) string { return a.asOfToken(seq) }
