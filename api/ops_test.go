package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/locales"
)

func TestReadiness(t *testing.T) {
	s := newServer(t)
	s.want("200", ask{method: http.MethodGet, path: "/readyz"})
	s.api.SetReady(false)
	got := s.want("503 not-ready", ask{method: http.MethodGet, path: "/readyz"})
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.want("200", ask{method: http.MethodGet, path: "/healthz?whatever=1"})
}

func TestMetricsHaveClosedLabels(t *testing.T) {
	s := newServer(t)
	s.want("404 not-found", ask{method: http.MethodGet, path: "/v2/courses/secret-name"})
	s.want("404 not-found", ask{method: http.MethodGet, path: "/v2/invented"})
	s.do(ask{method: "BREW", path: "/v2/courses"})
	text := string(s.do(ask{method: http.MethodGet, path: "/metrics"}).body)
	for _, want := range []string{
		`carrel_http_request_duration_seconds_count{method="GET",route="/v2/courses/{id}",status="4xx"} 1`,
		`carrel_http_request_duration_seconds_count{method="GET",route="-",status="4xx"} 1`,
		`method="other"`, `carrel_http_rejections_total{code="not-found"} 2`, "carrel_log_head ", "carrel_http_requests_in_flight 1",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	for _, secret := range []string{"secret-name", "invented", "BREW"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q became a label", secret)
		}
	}
}

// TestPages: the reference and the pages of codes are whole, in each language, and run nothing.
func TestPages(t *testing.T) {
	s := newServer(t)
	for _, tag := range locales.Tags {
		docs := s.want("200", ask{method: http.MethodGet, path: "/docs?locale=" + string(tag) + "&utm=x"})
		text := string(docs.body)
		for _, rt := range s.api.routes {
			if !strings.Contains(text, "<code>"+rt.path+"</code>") {
				t.Errorf("%s: the reference has no %s", tag, rt.path)
			}
		}
		if csp := docs.header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("Content-Security-Policy is %q", csp)
		}
		for _, bad := range []string{"<script", " style=", "<no value>", "&lt;nil", "apidocs.", `href="#schema-"`} {
			if strings.Contains(text, bad) {
				t.Errorf("%s: the reference has %q", tag, bad)
			}
		}
		if !strings.Contains(text, `<html lang="`+string(tag)+`">`) || docs.header.Get("Content-Language") != string(tag) {
			t.Errorf("%s: the page does not say its language", tag)
		}
		for _, code := range slices.Concat(fault.Codes(), fault.FieldCodes) {
			page := s.want("200", ask{method: http.MethodGet, path: "/problems/" + string(code), header: map[string]string{"Accept-Language": string(tag)}})
			if !strings.Contains(string(page.body), "<code>"+string(code)+"</code>") || strings.Contains(string(page.body), "no value") {
				t.Errorf("%s: the page of %s is %s", tag, code, page.body)
			}
		}
	}
	s.want("404 not-found", ask{method: http.MethodGet, path: "/problems/nonsense"})
	s.want("200", ask{method: http.MethodGet, path: "/docs"})
}

// TestReferencesResolve: every link within the reference has its target.
func TestReferencesResolve(t *testing.T) {
	s := newServer(t)
	text := string(s.do(ask{method: http.MethodGet, path: "/docs"}).body)
	for part := range strings.SplitSeq(text, `href="#`) {
		target, _, found := strings.Cut(part, `"`)
		if found && !strings.Contains(target, "<") && !strings.Contains(text, `id="`+target+`"`) {
			t.Errorf("nothing has the id %q", target)
		}
	}
}
