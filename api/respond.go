package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// sendJSON answers with a JSON document.
func sendJSON(w http.ResponseWriter, status int, v any) error {
	var b bytes.Buffer
	if err := encodeJSON(&b, v); err != nil {
		return fault.Wrap("api.sendJSON", fault.Internal, err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, err := w.Write(b.Bytes())
	return goneAway(err)
}

// goneAway drops an error of writing to the caller: who has left needs no answer.
func goneAway(error) error { return nil }

// update runs a command for the caller and puts its token into the answer.
func (a *API) update(w http.ResponseWriter, r *http.Request, fn func(tx *catalog.Tx) error) error {
	seq, err := a.cfg.Catalog.Update(r.Context(), callOf(r.Context()).actor, fn)
	if err != nil {
		return err
	}
	w.Header().Set(asOfHeader, a.asOfToken(seq))
	return nil
}

// view runs reads of one moment.
func (a *API) view(r *http.Request, fn func(v *catalog.View) error) error {
	return a.cfg.Catalog.View(r.Context(), fn)
}

// signedIn refuses the anonymous.
func signedIn(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if callOf(r.Context()).actor.Anonymous() {
			return fault.New("api.signedIn", fault.Unauthorized)
		}
		return next(w, r)
	}
}

// listBody is the body of every list.
type listBody[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next"`
}

// pageOf reads limit and cursor.
func (a *API) pageOf(r *http.Request) (catalog.Page, error) {
	query := callOf(r.Context()).query
	limit, err := limitParam(query)
	if err != nil {
		return catalog.Page{}, err
	}
	page := catalog.Page{Limit: limit}
	if query.Has("cursor") {
		page.After, err = a.parseCursor(r, query.Get("cursor"))
	}
	return page, err
}

// sendList answers with a page of a list. show makes an item of what the catalog gave.
func sendList[S, T any](a *API, w http.ResponseWriter, r *http.Request, list catalog.List[S], show func(S) (T, error)) error {
	body := listBody[T]{Items: make([]T, 0, len(list.Items))}
	for _, s := range list.Items {
		item, err := show(s)
		if err != nil {
			return err
		}
		body.Items = append(body.Items, item)
	}
	if list.Next != "" {
		next := a.cursor(r, list.Next)
		body.Next = &next
	}
	return sendJSON(w, http.StatusOK, body)
}

// A cursor is the key after which the next page starts, behind a checksum over that, the path, the filters and who asks: so that it is
// good for this list only, and damage shows. It grants nothing: what is listed is decided anew for each page.

// cursorSum is the length of a cursor's checksum, in bytes: enough against accidents, which is all that it is for.
const cursorSum = 8

// maxCursor bounds a cursor, in bytes: the longest key has 1 kB.
const maxCursor = 2048

func (a *API) cursor(r *http.Request, key string) string {
	return base64.RawURLEncoding.EncodeToString(append(a.cursorSum(r, key), key...))
}

func (a *API) parseCursor(r *http.Request, text string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if len(text) > maxCursor || err != nil || len(raw) <= cursorSum || !bytes.Equal(raw[:cursorSum], a.cursorSum(r, string(raw[cursorSum:]))) {
		return "", fault.New("api.cursor", fault.InvalidCursor)
	}
	return string(raw[cursorSum:]), nil
}

func (a *API) cursorSum(r *http.Request, key string) []byte {
	c := callOf(r.Context())
	filters := url.Values{}
	for name, values := range c.query {
		switch name {
		case "limit", "cursor", "locale", "after":
		default:
			filters[name] = values
		}
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{
		string(a.cfg.Catalog.Log().ID()), r.URL.Path, filters.Encode(), string(c.actor.Subject), string(c.actor.Org), key,
	}, "\x00")))
	return sum[:cursorSum]
}
