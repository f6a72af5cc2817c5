package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/sync/delta"
)

// WatermelonDB's synchronize() over HTTP. What it means is in package delta.

// sendWait is how long a phone may take to receive a large answer, which is in memory until then: 4 MB, compressed, over a line of 40 kB/s.
const sendWait = 2 * time.Minute

func (a *API) watermelonRoutes() []route {
	const path = "/v2/sync/watermelon"
	return []route{
		{
			method: http.MethodGet, path: path, do: a.watermelonPull, private: true,
			query: []string{"last_pulled_at", "schema_version", "migration", "tables", "cursor", "fields"},
		},
		{method: http.MethodPost, path: path, do: signedIn(a.watermelonPush), query: []string{"last_pulled_at"}, private: true},
	}
}

// watermelonPull answers GET /v2/sync/watermelon.
func (a *API) watermelonPull(w http.ResponseWriter, r *http.Request) error {
	c := callOf(r.Context())
	req := delta.TablesRequest{
		Actor: c.actor, Cursor: c.query.Get("cursor"), Locale: catalog.Locale(c.tag), Fields: delta.Fields(c.query.Get("fields")),
	}
	var err error
	if req.Since, err = pulledAt(r); err != nil {
		return err
	}
	if req.Migration, err = migrationOf(r); err != nil {
		return err
	}
	if _, err := countOf(r, "schema_version"); err != nil { // what it means is in migration
		return err
	}
	if names := c.query.Get("tables"); names != "" {
		req.Tables = strings.Split(names, ",")
	}
	all, err := a.delta.Watermelon(r.Context(), req)
	if err != nil {
		return err
	}
	defer all.Close()
	// Where the writer knows no deadlines there is none to move.
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(sendWait))
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, err = all.WriteTo(w)
	return goneAway(err)
}

// said returns a parameter, "" when the app has nothing to say: JavaScript writes that as null or undefined into an address.
func said(r *http.Request, name string) string {
	switch value := callOf(r.Context()).query.Get(name); value {
	case "null", "undefined":
		return ""
	default:
		return value
	}
}

// countOf reads a parameter that is a number, 0 when it is not there.
func countOf(r *http.Request, name string) (uint64, error) {
	text := said(r, name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, badParameter(name, fault.NotANumber, "is no whole number")
	}
	return n, nil
}

// pulledAt reads last_pulled_at.
func pulledAt(r *http.Request) (coursesync.Seq, error) {
	n, err := countOf(r, "last_pulled_at")
	return coursesync.Seq(n), err
}

// migrationOf reads migration. Names in it are the app's own, and many are not ours.
func migrationOf(r *http.Request) (m delta.Migration, err error) {
	text := said(r, "migration")
	if text == "" {
		return m, nil
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return m, badParameter("migration", fault.WrongType, "is not as WatermelonDB writes it", "want", `{"from":1,"tables":[],"columns":[{"table":"","columns":[]}]}`)
	}
	return m, nil
}

// tableChanges is one table of a push, as WatermelonDB writes it.
type tableChanges struct {
	Created []map[string]json.RawMessage `json:"created"`
	Updated []map[string]json.RawMessage `json:"updated"`
	Deleted []string                     `json:"deleted"`
}

type rejectedBody struct {
	Rejected map[string][]string `json:"experimentalRejectedIds"`
}

// watermelonPush answers POST /v2/sync/watermelon.
func (a *API) watermelonPush(w http.ResponseWriter, r *http.Request) error {
	since, err := pulledAt(r)
	if err != nil {
		return err
	}
	changes := map[string]tableChanges{}
	if err := decodeRecords(w, r, &changes, `{"table":{"created":[{}],"updated":[{}],"deleted":[""]}}`); err != nil {
		return err
	}
	p := delta.TablesPush{Actor: callOf(r.Context()).actor, Since: since, Changes: map[string]delta.TableChanges{}}
	for table, c := range changes {
		p.Changes[table] = delta.TableChanges(c)
	}
	rejected, seq, err := a.delta.PushTables(r.Context(), p)
	if err != nil {
		return err
	}
	w.Header().Set(asOfHeader, a.asOfToken(seq))
	return sendJSON(w, http.StatusOK, rejectedBody{rejected})
}

// decodeRecords reads what a client database sends: rows with whatever columns the app has. want is their shape, for the caller who sends another one.
func decodeRecords(w http.ResponseWriter, r *http.Request, into any, want string) error {
	body, err := readBody(w, r, maxPushBody, "")
	if err != nil {
		return err
	}
	if _, err := parseJSON(body); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields() // a list that is misspelt would lose its rows
	if err := dec.Decode(into); err != nil {
		return fault.Invalid("api.decodeRecords", fault.BadField("", fault.WrongType, "is not as the client database writes it", "want", want))
	}
	return nil
}
