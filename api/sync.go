package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/locales"
	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/sync/delta"
)

// Delta sync over HTTP. The protocol itself is in package delta.

// maxPushBody bounds a push, in bytes: 500 reviews of the greatest length, in three-byte characters.
const maxPushBody = 8 << 20

func (a *API) syncRoutes() []route {
	return []route{
		{method: http.MethodGet, path: syncPath, do: a.pull, query: []string{"channels", "cursor", "limit", "fields", "client", "subject"}},
		{method: http.MethodPost, path: syncPath, do: signedIn(a.push), private: true},
		{method: http.MethodGet, path: "/v2/sync/stream", do: a.stream, query: []string{"channels"}, stream: true},
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

// syncPath is where phones pull.
const syncPath = "/v2/sync"

// pull answers GET /v2/sync.
func (a *API) pull(w http.ResponseWriter, r *http.Request) error {
	req, err := a.syncRequest(r)
	if err != nil {
		return err
	}
	if key, ok := sharedKeyOf(r); ok && delta.Public(&req) {
		return a.pullShared(w, r, req, key)
	}
	page, err := a.ownPage(r, req)
	if err != nil {
		return err
	}
	h := w.Header()
	if page.encoding != "" {
		h.Set("Content-Encoding", page.encoding)
	}
	if !page.public {
		h.Set("Cache-Control", "private, no-store")
		h.Del("Vary") // which is for what a cache may keep
		return sendBody(w, page.body)
	}
	h.Set("Vary", a.sharedVary(r))
	h.Set("Cache-Control", sharedControl)
	if notModified(w, r, page.tag) {
		return nil
	}
	return sendBody(w, page.body)
}

// ownPage is a page that is made for one caller.
type ownPage struct {
	body     []byte
	encoding string // "" is none, or that the compressor is to choose one
	tag      string // ETag of a public one
	public   bool
}

// ownPagesAtOnce is how many of them are made at a time, for each core: after a push ten thousand phones want one, and each takes a megabyte while it is made.
const ownPagesAtOnce = 4

// ownPage makes a page. Most tell of one change or of none, and go to phones: they are compressed although they are small.
func (a *API) ownPage(r *http.Request, req delta.Request) (own ownPage, err error) {
	if err := a.making.Acquire(r.Context(), 1); err != nil {
		return own, err
	}
	defer a.making.Release(1)
	page, err := a.delta.Pull(r.Context(), req)
	if err != nil {
		return own, err
	}
	own.body, own.public = page.JSON(), page.Public
	if own.public {
		own.tag = contentTag(own.body)
	}
	if encoding, ok := encodingOf(r); ok {
		own.body, own.encoding, err = a.squeezeOwn(own.body, encoding)
	}
	return own, err
}

// pullShared answers with a page that others get too.
func (a *API) pullShared(w http.ResponseWriter, r *http.Request, req delta.Request, key sharedKey) error {
	tip, err := a.delta.PublicTip(r.Context())
	if err != nil {
		return err
	}
	page, err := a.shared.get(r.Context(), tip, key, func(ctx context.Context, into *sharedPage) error {
		ctx, cancel := context.WithTimeout(ctx, a.limits.Timeout)
		defer cancel()
		a.metrics.syncMade.Inc()
		page, err := a.delta.Pull(ctx, req)
		if err != nil {
			return err
		}
		body := page.JSON()
		used := ""
		if into.body, used, err = a.squeezeShared(body, key.encoding); err != nil {
			return err
		}
		into.tag = contentTag(body)
		into.seal(string(callOf(ctx).tag), a.sharedVary(r), used)
		return nil
	})
	if err != nil {
		return err
	}
	a.metrics.syncShared.Inc()
	page.send(w, r)
	return nil
}

// sharedControl lets a CDN answer with a page of the public channels for ten seconds before it asks again. A phone that must not get an older one says so with
// after=, which is part of the address.
const sharedControl = "public, max-age=0, s-maxage=10"

// sharedVary is what a page of the public channels depends on beside its address.
func (a *API) sharedVary(r *http.Request) string {
	vary := "Accept-Encoding"
	if !callOf(r.Context()).query.Has("locale") {
		vary += ", Accept-Language"
	}
	if len(a.cfg.CORSOrigins) > 0 {
		vary += ", Origin"
	}
	return vary
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
	_, err := w.Write(body) //nolint:gosec // JSON
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
	if body.Mutations == nil {
		return fault.Invalid("api.push", fault.BadField("/mutations", fault.Required, "is missing; there may be none: []"))
	}
	p := delta.Push{Actor: callOf(r.Context()).actor, Client: body.Client, Subject: body.Subject, Locale: catalog.Locale(callOf(r.Context()).tag)}
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

// notice writes a notification for a phone. Unlike the inbox it does not look up what a course is called now: the row would change without a new version.
func (a *API) notice(l catalog.Locale, n catalog.Notification) (title, body string) {
	return a.cfg.Texts.Printer(locales.Tag(l)).Notification(string(n.Rule), n.Count, n.Data)
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
