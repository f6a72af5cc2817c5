package api

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/sync/delta"
)

// RxDB's replication over HTTP. What it means is in package delta.

func (a *API) rxdbRoutes() []route {
	const path = "/v2/sync/rxdb/{collection}"
	return []route{
		{method: http.MethodGet, path: path, do: a.rxdbPull, query: []string{"checkpoint", "limit", "fields"}, private: true},
		{method: http.MethodPost, path: path, do: signedIn(a.rxdbPush), query: []string{"fields"}, private: true},
		{method: http.MethodGet, path: path + "/stream", do: a.rxdbStream, stream: true},
	}
}

// checkpoint is what RxDB keeps of a page. It has one key: RxDB merges the checkpoints of pages key by key.
type checkpoint struct {
	Cursor string `json:"cursor"`
}

// checkpointOf reads the parameter; nothing starts.
func checkpointOf(r *http.Request) (c checkpoint, err error) {
	text := said(r, "checkpoint")
	if text == "" {
		return c, nil
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return c, badParameter("checkpoint", fault.WrongType, "is no checkpoint", "want", `{"cursor":""}`)
	}
	return c, nil
}

// rxdbPull answers GET /v2/sync/rxdb/{collection}. Documents are sent as they are read: a page of lessons may be large.
func (a *API) rxdbPull(w http.ResponseWriter, r *http.Request) error {
	c := callOf(r.Context())
	from, err := checkpointOf(r)
	if err != nil {
		return err
	}
	req := delta.DocumentsRequest{
		Actor: c.actor, Collection: r.PathValue("collection"), Cursor: from.Cursor, Locale: catalog.Locale(c.tag), Fields: delta.Fields(c.query.Get("fields")),
	}
	if c.query.Has("limit") {
		if req.Limit, err = strconv.Atoi(c.query.Get("limit")); err != nil || req.Limit < 1 {
			return badParameter("limit", fault.OutOfRange, "is from 1 to 1000", "min", 1, "max", delta.MaxLimit)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	out := bufio.NewWriterSize(w, delta.MaxPage) // until it is full, an error can still be answered
	separator := `{"documents":[`
	next, err := a.delta.Documents(r.Context(), req, func(doc json.RawMessage) error {
		_, err := out.WriteString(separator)
		separator = ","
		if err == nil {
			_, err = out.Write(doc)
		}
		return err
	})
	if err != nil {
		return err
	}
	if separator != "," {
		_, _ = out.WriteString(separator)
	}
	_, _ = out.WriteString(`],"checkpoint":`)
	if err := json.NewEncoder(out).Encode(checkpoint{next}); err != nil {
		return goneAway(err)
	}
	_, _ = out.WriteString("}")
	return goneAway(out.Flush())
}

// rxdbStream answers GET /v2/sync/rxdb/{collection}/stream: items for RxDB's pull.stream$. All of them say that it is to pull, from its own checkpoint, which only the
// database knows; so nothing is lost between a stream that breaks and the next.
func (a *API) rxdbStream(w http.ResponseWriter, r *http.Request) error {
	c := callOf(r.Context())
	l, err := a.hub.ListenDocuments(r.Context(), delta.DocumentsRequest{Actor: c.actor, Collection: r.PathValue("collection"), Locale: catalog.Locale(c.tag)})
	if err != nil {
		return err
	}
	defer l.Close()
	e, err := openEvents(w)
	if err != nil {
		return goneAway(err)
	}
	const resync = "data: \"RESYNC\"\n\n"
	if err := e.write(resync); err != nil {
		return goneAway(err)
	}
	return goneAway(a.tellNews(r, e, l, func(delta.News) (string, error) { return resync, nil }))
}

// documentRow is a row of a push, as RxDB writes it.
type documentRow struct {
	New     map[string]json.RawMessage `json:"newDocumentState"`
	Assumed map[string]json.RawMessage `json:"assumedMasterState"`
}

// rxdbPush answers POST /v2/sync/rxdb/{collection}.
func (a *API) rxdbPush(w http.ResponseWriter, r *http.Request) error {
	c := callOf(r.Context())
	var rows []documentRow
	if err := decodeRecords(w, r, &rows, `[{"newDocumentState":{},"assumedMasterState":{}}]`); err != nil {
		return err
	}
	p := delta.DocumentsPush{
		Actor: c.actor, Collection: r.PathValue("collection"), Locale: catalog.Locale(c.tag), Fields: delta.Fields(c.query.Get("fields")),
	}
	for _, row := range rows {
		p.Rows = append(p.Rows, delta.DocumentRow(row))
	}
	conflicts, seq, err := a.delta.PushDocuments(r.Context(), p)
	if err != nil {
		return err
	}
	w.Header().Set(asOfHeader, a.asOfToken(seq))
	return sendJSON(w, http.StatusOK, conflicts)
}
