package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/locales"
)

// handler answers a request or says why not.
type handler func(w http.ResponseWriter, r *http.Request) error

// call is what is known of the request under way. One goroutine at a time touches it.
type call struct {
	id      string // the request id
	started time.Time
	route   string         // the pattern, for logs and metrics: never the path, which strangers choose
	tag     locales.Tag    // of messages
	locale  catalog.Locale // of texts: tag, or catalog.AnyLocale
	actor   catalog.Actor
	query   url.Values // parsed and checked
	err     error      // what was answered as a problem
}

type callKey struct{}

// callOf returns the call of a request that passed observe; an empty one in English for any other.
func callOf(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return &call{tag: locales.English, locale: catalog.English, route: "-"}
}

func withCall(r *http.Request, c *call) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callKey{}, c))
}
