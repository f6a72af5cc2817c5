package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/locales"
)

// problem is RFC 9457's document with the contract's additions.
type problem struct {
	Type     string         `json:"type"`
	Title    string         `json:"title"`
	Status   int            `json:"status"`
	Detail   string         `json:"detail"`
	Instance string         `json:"instance"`
	Code     fault.Code     `json:"code"`
	Errors   []problemField `json:"errors,omitempty"`

	LastMutation *uint64 `json:"last_mutation,omitempty"` // of fault.MutationGap and fault.ClientReused
}

type problemField struct {
	Pointer string     `json:"pointer"`
	Code    fault.Code `json:"code"`
	Detail  string     `json:"detail"`
}

// statuses gives each kind of fault its HTTP status.
var statuses = map[fault.Kind]int{
	fault.KindInternal: http.StatusInternalServerError, fault.KindInvalid: http.StatusBadRequest,
	fault.KindUnauthorized: http.StatusUnauthorized, fault.KindForbidden: http.StatusForbidden,
	fault.KindNotFound: http.StatusNotFound, fault.KindMethod: http.StatusMethodNotAllowed,
	fault.KindConflict: http.StatusConflict, fault.KindGone: http.StatusGone,
	fault.KindPrecondition: http.StatusPreconditionFailed, fault.KindTooLarge: http.StatusRequestEntityTooLarge,
	fault.KindMedia: http.StatusUnsupportedMediaType, fault.KindRange: http.StatusRequestedRangeNotSatisfiable, fault.KindUnprocessable: http.StatusUnprocessableEntity,
	fault.KindTooMany: http.StatusTooManyRequests, fault.KindUnavailable: http.StatusServiceUnavailable,
	fault.KindFull: http.StatusInsufficientStorage,
}

// statusOf returns the HTTP status of a code; an unknown one is our fault.
func statusOf(code fault.Code) int {
	if s, ok := statuses[code.Kind()]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// asFault makes a fault of any error. What nobody gave a code is internal, except what the request itself brought about.
func asFault(err error) *fault.Error {
	var known *fault.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge): // before the codes: a reader's error may be wrapped as a bad body
		return fault.Wrap("api.body", fault.TooLarge, err, "limit", byteCount(tooLarge.Limit))
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fault.Wrap("api.timeout", fault.Overloaded, err, "retry_after", defaultRetry)
	default:
		return fault.Wrap("api", fault.Internal, err)
	}
}

// answerProblem answers an error. It is the one place that does. Nothing is answered when the response has begun already: the
// connection is cut instead, so that a half answer is not taken for a whole one.
func (a *API) answerProblem(w http.ResponseWriter, r *http.Request, err error) {
	c := callOf(r.Context())
	f := asFault(err)
	c.err = f
	status := statusOf(f.Code)
	a.metrics.rejections.WithLabelValues(string(f.Code)).Inc()
	a.logProblem(r, f, status)
	if begun(w) {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	for _, name := range []string{"ETag", "Last-Modified", "Location", "Content-Disposition", "Content-Length", "Content-Encoding", asOfHeader} {
		h.Del(name)
	}
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Language", string(c.tag))
	h.Set("Cache-Control", "no-store")
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", challenge(f.Code))
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", strconv.Itoa(retryAfter(f)))
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if err := encodeJSON(w, a.problem(c, f, status)); err != nil {
		a.log.DebugContext(r.Context(), "api: a problem could not be sent", slog.Any("error", err))
	}
}

// challenge is what a 401 says of the way to sign in (RFC 6750).
func challenge(code fault.Code) string {
	if code == fault.Unauthorized {
		return `Bearer realm="carrel"`
	}
	return `Bearer realm="carrel", error="invalid_token"`
}

func (a *API) logProblem(r *http.Request, f *fault.Error, status int) {
	level := slog.LevelDebug
	// A caller who left is no failure of ours, and who is asked to come back later is counted by the metrics: an overload must not flood the log.
	if status >= http.StatusInternalServerError && status != http.StatusServiceUnavailable && r.Context().Err() == nil {
		level = slog.LevelError
	}
	c := callOf(r.Context())
	a.log.Log(r.Context(), level, "api: a request failed",
		slog.String("request", c.id), slog.String("route", c.route), slog.Int("status", status), slog.String("error", f.Error()))
}

// retryAfter returns the seconds after which to try again: what the fault says, else defaultRetry.
func retryAfter(f *fault.Error) int {
	switch n := f.Args["retry_after"].(type) {
	case int:
		return max(n, 1)
	case int64:
		return int(max(n, 1))
	case float64:
		return int(max(n, 1))
	default:
		return defaultRetry
	}
}

// problem writes a fault in the caller's language.
func (a *API) problem(c *call, f *fault.Error, status int) problem {
	p := a.cfg.Texts.Printer(c.tag)
	out := problem{
		Type: "/problems/" + string(f.Code), Status: status, Instance: c.id, Code: f.Code,
		Title: text(p, "problem."+string(f.Code)+".title", nil),
	}
	args := withReason(p, f)
	out.Detail = text(p, "problem."+string(f.Code)+".detail", args)
	for _, field := range f.Fields[:min(len(f.Fields), maxBodyFields)] {
		out.Errors = append(out.Errors, problemField{Pointer: field.Pointer, Code: field.Code, Detail: fieldText(p, field)})
	}
	if last, ok := f.Args["last_mutation"].(uint64); ok {
		out.LastMutation = &last
	}
	if f.Code == fault.InvalidParameter && len(out.Errors) == 0 && args["name"] != nil {
		out.Errors = []problemField{parameterField(p, f, args)}
	}
	return out
}

// parameterField is the entry of errors for a parameter that was refused by its name only; args are those of [withReason].
func parameterField(p *locales.Printer, f *fault.Error, args map[string]any) problemField {
	code, ok := f.Args["reason"].(fault.Code)
	if !ok {
		code = fault.BadValue
	}
	reason := placeholderValue(p, args["reason"])
	if reason == "" {
		reason = p.Text("reason.unknown", nil)
	}
	return problemField{Pointer: placeholderValue(p, args["name"]), Code: code, Detail: reason}
}

// fieldText says what is wrong with a field; a reason that came as a code is said in the caller's language.
func fieldText(p *locales.Printer, f fault.Field) string {
	args := f.Args
	if code, ok := args["reason"].(fault.Code); ok {
		args = maps.Clone(args)
		args["reason"] = text(p, "field."+string(code), f.Args)
	}
	return text(p, "field."+string(f.Code), args)
}

// withReason adds what is wrong with a parameter, in the caller's language: the text of its field when the fault names one.
// A reason that came as a code is looked up; one that came as a sentence is English and only passed on when nothing better is known.
func withReason(p *locales.Printer, f *fault.Error) map[string]any {
	args := make(map[string]any, len(f.Args)+1)
	maps.Copy(args, f.Args)
	if code, ok := args["reason"].(fault.Code); ok {
		args["reason"] = text(p, "field."+string(code), f.Args)
	} else if len(f.Fields) > 0 {
		args["reason"] = fieldText(p, f.Fields[0])
		if args["name"] == nil {
			args["name"] = f.Fields[0].Pointer
		}
	}
	return args
}

// byteCount is a size in bytes, for a placeholder: it is written as people write sizes.
type byteCount int64

// text returns a text with every placeholder filled: those that args leaves out get a neutral value. "<no value>" reaches nobody.
func text(p *locales.Printer, id string, args map[string]any) string {
	all := map[string]any{
		"retry_after": defaultRetry, "position": 1, "max": "…", "min": "…", "limit": "…", "name": "…", "value": "…", "id": "…",
		"reason": p.Text("reason.unknown", nil), "allowed": "…", "want": p.Text("reason.documented", nil), "got": "…",
		"language": "…", "other": "…", "state": "…", "last_mutation": "…",
		"learner": "…", "device": "…", "devices": "…",
	}
	for k, v := range args {
		if s := placeholderValue(p, v); s != "" {
			all[k] = s
		}
	}
	return strings.ReplaceAll(p.Text(id, all), "<no value>", "…")
}

// maxPlaceholder bounds what of the caller's input comes back in a text, in characters.
const maxPlaceholder = 200

func placeholderValue(p *locales.Printer, v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case byteCount:
		return p.Bytes(int64(v))
	case []string:
		return cut(strings.Join(v, ", "))
	default:
		return cut(fmt.Sprint(v))
	}
}

func cut(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if r := []rune(s); len(r) > maxPlaceholder {
		return string(r[:maxPlaceholder]) + "…"
	}
	return s
}

// encodeJSON writes a value as we always do: no HTML escapes, which half of the texts would be.
func encodeJSON(w interface{ Write([]byte) (int, error) }, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
