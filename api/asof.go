package api

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// asOfHeader carries the token of a write.
const asOfHeader = "Carrel-As-Of"

// tokenVersion begins every token, so that its form can change.
const tokenVersion = "1"

// asOfToken names a moment of the log. It is opaque to callers; the log's identity in it keeps a token of another server,
// or of this one before it was set up anew, from being waited for.
func (a *API) asOfToken(seq coursesync.Seq) string {
	plain := tokenVersion + " " + string(a.cfg.Catalog.Log().ID()) + " " + strconv.FormatUint(uint64(seq), 10)
	return base64.RawURLEncoding.EncodeToString([]byte(plain))
}

// maxToken bounds a token before it is decoded, in bytes; ours have about 70.
const maxToken = 256

func (a *API) parseAsOf(token string) (coursesync.Seq, error) {
	bad := badParameter("after", fault.BadValue, "is no token of this server", "allowed", asOfHeader)
	if len(token) > maxToken {
		return 0, bad
	}
	plain, err := base64.RawURLEncoding.DecodeString(token)
	parts := strings.Split(string(plain), " ")
	if err != nil || len(parts) != 3 || parts[0] != tokenVersion || parts[1] != string(a.cfg.Catalog.Log().ID()) {
		return 0, bad
	}
	seq, err := strconv.ParseUint(parts[2], 10, 64)
	if err != nil {
		return 0, bad
	}
	return coursesync.Seq(seq), nil
}

// awaitAfter waits until a read sees the write that after= names: the catalog, and the index too where the route reads that.
func (a *API) awaitAfter(r *http.Request, rt *route) error {
	query := callOf(r.Context()).query
	if !query.Has("after") {
		return nil
	}
	seq, err := a.parseAsOf(query.Get("after"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), afterWait)
	defer cancel()
	if seq > 0 {
		err = a.cfg.Catalog.Log().Wait(ctx, seq-1)
	}
	if err == nil && rt.reads == readsIndex {
		err = a.cfg.Search.WaitFor(ctx, seq)
	}
	if err != nil && r.Context().Err() == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.Wrap("api.after", fault.StaleRead, err, "retry_after", defaultRetry)
	}
	return err
}
