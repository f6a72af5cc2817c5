package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/fault"
)

// statuses gives each kind of fault its HTTP status; api has the same table for its problems.
var statuses = map[fault.Kind]int{
	fault.KindInternal: http.StatusInternalServerError, fault.KindInvalid: http.StatusBadRequest,
	fault.KindUnauthorized: http.StatusUnauthorized, fault.KindForbidden: http.StatusForbidden, fault.KindNotFound: http.StatusNotFound,
	fault.KindMethod: http.StatusMethodNotAllowed, fault.KindConflict: http.StatusConflict, fault.KindGone: http.StatusGone,
	fault.KindPrecondition: http.StatusPreconditionFailed, fault.KindTooLarge: http.StatusRequestEntityTooLarge,
	fault.KindMedia: http.StatusUnsupportedMediaType, fault.KindRange: http.StatusRequestedRangeNotSatisfiable, fault.KindUnprocessable: http.StatusUnprocessableEntity,
	fault.KindTooMany: http.StatusTooManyRequests, fault.KindUnavailable: http.StatusServiceUnavailable,
	fault.KindFull: http.StatusInsufficientStorage,
}

// retrySeconds is what a page that comes later says, when the fault does not.
const retrySeconds = 2

// problemPage is what error.html shows.
type problemPage struct {
	Status  int
	Heading string
	Help    string
	Fields  []string
	SignIn  string // address to sign in and come back, when that would help
	Back    string // address of the page where the form was
	Retry   bool   // loading the page again may help
	Q       string // what was searched for
	Request string // the request id, for whoever asks for help
}

// answerError answers an error as a page in the visitor's language. It is the one place that does, and that logs it.
func (p *pages) answerError(w http.ResponseWriter, r *http.Request, err error) {
	f := asFault(err)
	status := statuses[f.Code.Kind()]
	level := slog.LevelDebug
	if status == http.StatusInternalServerError || status == http.StatusInsufficientStorage {
		level = slog.LevelError
	}
	p.log.Log(r.Context(), level, "web: a page failed", slog.String("path", r.URL.Path), slog.Int("status", status), slog.String("error", f.Error()))
	body := p.problem(r, f, status)
	if status >= http.StatusInternalServerError {
		body.Request = w.Header().Get("X-Request-Id") // set by what stands before us
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", strconv.Itoa(seconds(f)))
	}
	if err := p.render(w, r, status, viewError, layout{Title: body.Heading, Unlisted: true, WholeBox: true, Body: body}); err != nil {
		p.log.ErrorContext(r.Context(), "web: the page for an error failed", slog.Any("error", err))
		http.Error(w, body.Heading, status)
	}
}

func (p *pages) problem(r *http.Request, f *fault.Error, status int) problemPage {
	v := visitOf(r.Context())
	body := problemPage{Status: status, Q: strings.ToValidUTF8(r.URL.Query().Get("q"), ""), Retry: status >= http.StatusInternalServerError || status == http.StatusTooManyRequests}
	body.Heading, body.Help = v.problemText(f)
	for _, field := range f.Fields {
		body.Fields = append(body.Fields, v.filled("field."+string(field.Code), field.Args))
	}
	if f.Code.Kind() == fault.KindUnauthorized {
		to := r.URL.RequestURI()
		if r.Method != http.MethodGet {
			to = localPath(r.PostForm.Get("return"), "/")
		}
		body.SignIn = signInURL(to)
	}
	if r.Method == http.MethodPost {
		body.Back = localPath(r.PostForm.Get("return"), "")
	}
	return body
}

// ownTexts are the codes for which the pages have words of their own: problem.* speaks to programs.
var ownTexts = map[fault.Code]bool{
	fault.NotFound: true, fault.Unauthorized: true, fault.InvalidToken: true, fault.InvalidFields: true, fault.InvalidParameter: true,
	fault.InvalidCursor: true, fault.InvalidQuery: true, fault.QueryTooBroad: true, fault.NotEnrolled: true, fault.EnrollClosed: true, fault.Internal: true, fault.NotReady: true,
	fault.NotAllowed: true, fault.InvalidBody: true, fault.CursorExpired: true, fault.Conflict: true, fault.LostUpdate: true,
}

func (v *visit) problemText(f *fault.Error) (heading, help string) {
	family := "problem."
	if ownTexts[f.Code] {
		family = "page.error."
	}
	return v.filled(family+string(f.Code)+".title", f.Args), v.filled(family+string(f.Code)+".detail", f.Args)
}

// filled returns a text with every placeholder filled: what the fault does not know becomes an ellipsis.
func (v *visit) filled(id string, known map[string]any) string {
	all := map[string]any{
		"retry_after": retrySeconds, "position": "…", "max": "…", "min": "…", "limit": "…", "name": "…", "value": "…", "id": "…",
		"reason": "…", "allowed": "…", "want": "…", "got": "…", "language": "…", "other": "…",
	}
	for k, val := range known {
		all[k] = fmt.Sprint(val)
	}
	return v.text.Text(id, all)
}

func seconds(f *fault.Error) int {
	if n, ok := f.Args["retry_after"].(int); ok && n > 0 {
		return n
	}
	return retrySeconds
}

// asFault makes a fault of any error: what nobody gave a code is ours, except what the request itself brought about.
func asFault(err error) *fault.Error {
	var known *fault.Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return fault.Wrap("web.form", fault.TooLarge, err, "limit", tooLarge.Limit)
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fault.Wrap("web", fault.Overloaded, err, "retry_after", retrySeconds)
	}
	return fault.Wrap("web", fault.Internal, err)
}
