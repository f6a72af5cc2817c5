package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/locales"
)

func loadTexts(t *testing.T) *locales.Bundle {
	t.Helper()
	texts, err := locales.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestEveryCodeHasTexts: every code has its texts in each language, and a problem made with no values at all has no hole.
func TestEveryCodeHasTexts(t *testing.T) {
	a := &API{cfg: Config{Texts: loadTexts(t)}}
	for _, tag := range locales.Tags {
		p := a.cfg.Texts.Printer(tag)
		for _, code := range fault.Codes() {
			for _, part := range []string{".title", ".detail"} {
				if id := "problem." + string(code) + part; !p.Has(id) {
					t.Errorf("%s: %s is missing", tag, id)
				}
			}
			body := a.problem(&call{tag: tag}, fault.New("test", code), statusOf(code))
			checkFilled(t, string(tag)+" "+string(code), body.Title, body.Detail)
			if want := code == fault.Internal || code == fault.Corrupt || code == fault.NewerFormat; (body.Status == http.StatusInternalServerError) != want {
				t.Errorf("%s is answered with %d", code, body.Status)
			}
		}
		for _, code := range fault.FieldCodes {
			if !p.Has("field." + string(code)) {
				t.Errorf("%s: field.%s is missing", tag, code)
			}
			checkFilled(t, string(tag)+" "+string(code), fieldText(p, fault.Field{Code: code}))
		}
	}
}

func checkFilled(t *testing.T, what string, texts ...string) {
	t.Helper()
	for _, s := range texts {
		if s == "" || strings.Contains(s, "<no value>") || strings.Contains(s, "{{") || strings.HasPrefix(s, "problem.") || strings.HasPrefix(s, "field.") {
			t.Errorf("%s: text is %q", what, s)
		}
	}
}

func TestProblemDetails(t *testing.T) {
	a := &API{cfg: Config{Texts: loadTexts(t)}}
	for _, tt := range []struct {
		name string
		tag  locales.Tag
		err  error
		want []string // parts of the detail
	}{
		{"a reason in the caller's language", locales.French, badParameter("limit", fault.OutOfRange, "", "min", 1, "max", 100), []string{"limit", "entre 1 et 100"}},
		{"the default wait", locales.English, fault.New("", fault.RateLimited), []string{"Wait 1 s"}},
		{"a wait", locales.English, fault.New("", fault.Overloaded, "retry_after", 7), []string{"Wait 7 s"}},
		{"a size", locales.English, &http.MaxBytesError{Limit: 2_000_000}, []string{"2.0", "MB"}},
		{"a size inside a bad body", locales.English, fault.Wrap("", fault.InvalidBody, &http.MaxBytesError{Limit: 1000}), []string{"1.0", "kB"}},
		{"a code as the reason", locales.Chinese, fault.New("", fault.InvalidParameter, "name", "q", "reason", fault.BadEncoding), []string{"q", "UTF-8"}},
		{"no name", locales.English, fault.New("", fault.UnknownParameter), []string{"“…”"}},
	} {
		f := asFault(tt.err)
		detail := a.problem(&call{tag: tt.tag}, f, statusOf(f.Code)).Detail
		for _, part := range tt.want {
			if !strings.Contains(detail, part) {
				t.Errorf("%s: %q has no %q", tt.name, detail, part)
			}
		}
	}
}

// TestParameterErrors: whoever refuses a parameter, the problem names it and the cause.
func TestParameterErrors(t *testing.T) {
	a := &API{cfg: Config{Texts: loadTexts(t)}}
	for _, tt := range []struct {
		name string
		err  error
		want []problemField
	}{
		{"a field", badParameter("limit", fault.OutOfRange, "", "min", 1, "max", 100), []problemField{{"limit", fault.OutOfRange, "Must be between 1 and 100."}}},
		{
			"a code", fault.New("", fault.InvalidParameter, "name", "facets", "value", "x", "reason", fault.BadValue, "allowed", "tags, level"),
			[]problemField{{"facets", fault.BadValue, "Must be one of: tags, level."}},
		},
		{"a sentence", fault.New("", fault.InvalidParameter, "name", "q", "reason", "it is odd"), []problemField{{"q", fault.BadValue, "it is odd"}}},
		{"no reason", fault.New("", fault.InvalidParameter, "name", "q"), []problemField{{"q", fault.BadValue, "it does not fit here."}}},
		{"no name", fault.New("", fault.InvalidParameter), nil},
	} {
		f := asFault(tt.err)
		got := a.problem(&call{tag: locales.English}, f, statusOf(f.Code))
		if diff := cmp.Diff(tt.want, got.Errors); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if len(tt.want) > 0 && !strings.Contains(got.Detail, tt.want[0].Detail) {
			t.Errorf("%s: the detail %q does not name the cause %q", tt.name, got.Detail, tt.want[0].Detail)
		}
	}
}

func TestAsFault(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want fault.Code
	}{
		{errors.New("secret"), fault.Internal},
		{context.Canceled, fault.Overloaded},
		{fmt.Errorf("read: %w", context.DeadlineExceeded), fault.Overloaded},
		{fmt.Errorf("deep: %w", fault.New("", fault.DiskFull)), fault.DiskFull},
		{errors.Join(fault.New("", fault.TooLarge), nil), fault.TooLarge},
	} {
		if got := asFault(tt.err).Code; got != tt.want {
			t.Errorf("%v is %s, want %s", tt.err, got, tt.want)
		}
	}
}

// TestInternalsStayInside: neither a failure's cause nor a panic's value reaches the caller.
func TestInternalsStayInside(t *testing.T) {
	s := newServer(t)
	for name, fn := range map[string]handler{
		"an error": func(http.ResponseWriter, *http.Request) error { return errors.New("password=hunter2") },
		"a panic":  func(http.ResponseWriter, *http.Request) error { panic("password=hunter2") },
	} {
		rt := &route{method: http.MethodGet, path: "/v2/test", do: fn}
		h := s.api.observe(s.api.recover(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.api.serve(rt, w, r) })))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2/test", nil))
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "hunter2") || !strings.Contains(w.Body.String(), `"code":"internal"`) {
			t.Errorf("%s is answered with %d %s", name, w.Code, w.Body)
		}
		if w.Header().Get(requestIDHeader) == "" || !strings.Contains(w.Body.String(), w.Header().Get(requestIDHeader)) {
			t.Errorf("%s: the request id is not in the answer", name)
		}
	}
}

// TestHalfAnswersAreCut: an error after the answer began must not look like its end.
func TestHalfAnswersAreCut(t *testing.T) {
	s := newServer(t)
	rt := &route{method: http.MethodGet, path: "/v2/test", do: func(w http.ResponseWriter, _ *http.Request) error {
		_, _ = w.Write([]byte(`{"items":[`))
		return errors.New("disk")
	}}
	srv := httptest.NewServer(s.api.observe(s.api.recover(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.api.serve(rt, w, r) }))))
	defer srv.Close()
	res, err := srv.Client().Get(srv.URL + "/v2/test")
	if err == nil {
		defer res.Body.Close()
		var b strings.Builder
		if _, err = fmt.Fscan(res.Body, &b); err == nil {
			t.Error("the half answer ended as if it were whole")
		}
	}
}
