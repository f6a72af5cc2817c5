package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/sync/delta"
)

// Delta sync over HTTP. The protocol itself is in package delta.

// maxPushBody bounds a push, in bytes: 500 reviews of the greatest length, in three-byte characters.
const maxPushBody = 8 << 20

func (a *API) syncRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/v2/sync", do: a.pull, query: []string{"channels", "cursor", "limit", "fields", "client", "subject"}},
		{method: http.MethodPost, path: "/v2/sync", do: signedIn(a.push), private: true},
		{method: http.MethodGet, path: "/v2/sync/digest", do: a.digest, query: []string{"channels", "cursor", "fields"}},
	}
}

// syncRequest reads the parameters of a pull.
func (a *API) syncRequest(r *http.Request) (delta.Request, error) {
	c := callOf(r.Context())
	req := delta.Request{
		Actor: c.actor, Cursor: c.query.Get("cursor"), Locale: catalog.Locale(c.tag), Fields: delta.Fields(c.query.Get("fields")), Client: c.query.Get("client"),
	}
	if c.query.Has("subject") && catalog.LearnerID(c.query.Get("subject")) != c.actor.Subject {
		return req, fault.New("api.pull", fault.Forbidden).WithFix("these rows would be another learner's than those that you hold: sign in as the one whose they are")
	}
	if names := c.query.Get("channels"); names != "" {
		req.Channels = strings.Split(names, ",")
	}
	if c.query.Has("limit") {
		n, err := strconv.Atoi(c.query.Get("limit"))
		if err != nil || n == 0 {
			return req, badParameter("limit", fault.OutOfRange, "is from 1 to 1000", "min", 1, "max", delta.MaxLimit)
		}
		req.Limit = n
	}
	return req, nil
}

// pull answers GET /v2/sync.
func (a *API) pull(w http.ResponseWriter, r *http.Request) error {
	req, err := a.syncRequest(r)
	if err != nil {
		return err
	}
	page, err := a.delta.Pull(r.Context(), req)
	if err != nil {
		return err
	}
	body, err := json.Marshal(page)
	if err != nil {
		return fault.Wrap("api.pull", fault.Internal, err)
	}
	if !page.Public {
		w.Header().Set("Cache-Control", "private, no-store")
		return sendBody(w, body)
	}
	shareable(w, r)
	if notModified(w, r, contentTag(body)) {
		return nil
	}
	return sendBody(w, body)
}

// sharedFor is how long a CDN may answer with a page of the public channels before it asks again, in seconds. A phone that must not get an older one says
// so with after=, which is part of the address.
const sharedFor = "10"

// shareable marks an answer as the same for all who ask the same; that it varies by Accept-Encoding, the compressor says.
func shareable(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Vary"] = slices.DeleteFunc(h["Vary"], func(v string) bool { return v == varyByCaller })
	if !callOf(r.Context()).query.Has("locale") {
		h.Add("Vary", "Accept-Language")
	}
	h.Set("Cache-Control", "public, max-age=0, s-maxage="+sharedFor)
}

// contentTag is an ETag of a body.
func contentTag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}

// sendBody answers with JSON that is made already.
func sendBody(w http.ResponseWriter, body []byte) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(body)
	return goneAway(err)
}

type pushBody struct {
	Client    string            `json:"client"`
	Subject   catalog.LearnerID `json:"subject"`
	Mutations []mutationBody    `json:"mutations"`
}

type mutationBody struct {
	N    uint64          `json:"n"`
	Kind coursesync.Kind `json:"kind"`
	Key  string          `json:"key"`
	Op   string          `json:"op"`
	Base coursesync.Seq  `json:"base"`
	Doc  any             `json:"doc"`
}

type pushedBody struct {
	Results      []resultBody `json:"results"`
	LastMutation uint64       `json:"last_mutation"`
	AsOf         string       `json:"as_of"`
}

type resultBody struct {
	N       uint64          `json:"n"`
	Status  delta.Status    `json:"status"`
	Outcome delta.Status    `json:"outcome,omitempty"` // of a duplicate
	Version *coursesync.Seq `json:"version,omitempty"`
	Current *delta.Row      `json:"current,omitempty"`
	Problem *problem        `json:"problem,omitempty"`
}

// push answers POST /v2/sync.
func (a *API) push(w http.ResponseWriter, r *http.Request) error {
	body, err := decodeBody[pushBody](w, r, maxPushBody)
	if err != nil {
		return err
	}
	p := delta.Push{Actor: callOf(r.Context()).actor, Client: body.Client, Subject: body.Subject}
	for _, m := range body.Mutations {
		one := delta.Mutation{N: m.N, Kind: m.Kind, Key: m.Key, Op: m.Op, Base: m.Base}
		if m.Doc != nil {
			if one.Doc, err = json.Marshal(m.Doc); err != nil {
				return fault.Wrap("api.push", fault.InvalidBody, err)
			}
		}
		p.Mutations = append(p.Mutations, one)
	}
	done, err := a.delta.Push(r.Context(), p)
	if err != nil {
		return err
	}
	out := pushedBody{Results: []resultBody{}, LastMutation: done.Last, AsOf: a.asOfToken(done.Seq)}
	for i := range done.Results {
		out.Results = append(out.Results, a.resultBody(r, &done.Results[i]))
	}
	w.Header().Set(asOfHeader, out.AsOf)
	return sendJSON(w, http.StatusOK, out)
}

func (a *API) resultBody(r *http.Request, from *delta.Result) resultBody {
	b := resultBody{N: from.N, Status: from.Status, Outcome: from.Outcome, Current: from.Current}
	if from.Version != 0 {
		b.Version = &from.Version
	}
	if from.Err != nil {
		f := asFault(from.Err)
		p := a.problem(callOf(r.Context()), f, statusOf(f.Code))
		b.Problem = &p
	}
	return b
}

// digest answers GET /v2/sync/digest.
func (a *API) digest(w http.ResponseWriter, r *http.Request) error {
	req, err := a.syncRequest(r)
	if err != nil {
		return err
	}
	d, err := a.delta.Digest(r.Context(), req)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "private, no-store")
	return sendJSON(w, http.StatusOK, d)
}
