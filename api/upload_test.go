package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/files"
)

func TestUpload(t *testing.T) {
	s := withLessons(t)
	one, two := pseudo("one", 5000), pseudo("two", 300)
	made := s.uploadAs(editor, "201", filePath+"?name=Slides.pdf&lesson=l2", one, map[string]string{"Repr-Digest": "sha-512=:AAAA:, " + digestField(one)})
	url := filePath + "?v=" + hexOf(one)
	want := m{
		"id": "slides", "lesson": "l2", "name": "Slides.pdf", "media_type": "application/pdf", "url": url, "size": 5000.0, "sha256": hexOf(one), "priority": 2.0, "held": true,
	}
	if diff := cmp.Diff(want, made.json); diff != "" {
		t.Error(diff)
	}
	if tag := made.header.Get("ETag"); tag != `"`+hexOf(one)+`"` || made.header.Get(asOfHeader) == "" {
		t.Errorf("ETag %s, %s %q", tag, asOfHeader, made.header.Get(asOfHeader))
	}
	version := func() any {
		return s.want("200", ask{method: http.MethodGet, path: "/v2/courses/C1/content", as: editor}).json["version"]
	}
	before := version()
	s.uploadAs(editor, "200", filePath, one, nil)
	if version() != before {
		t.Error("the same file again made a new version")
	}
	s.uploadAs(editor, "412 lost-update", filePath, two, map[string]string{"If-Match": `"` + hexOf(two) + `"`})
	s.uploadAs(editor, "412 lost-update", filePath, two, map[string]string{"If-None-Match": "*"})
	s.uploadAs(editor, "412 lost-update", "/v2/courses/C1/assets/new/file", two, map[string]string{"If-Match": "*"})
	next := s.uploadAs(editor, "200", filePath, two, map[string]string{"If-Match": `"` + hexOf(one) + `"`, "Content-Digest": digestField(two)})
	if next.text("name") != "Slides.pdf" || next.text("lesson") != "l2" || next.text("sha256") != hexOf(two) || version() == before {
		t.Errorf("%s", next.body)
	}
	s.want("404 not-found", ask{method: http.MethodGet, path: url, as: learner}) // it never gives other bytes
	if got := s.want("200", ask{method: http.MethodGet, path: filePath, as: learner}); !bytes.Equal(got.body, two) || got.header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("%d bytes, %s", len(got.body), got.header.Get("Cache-Control"))
	}
}

// TestUploadIsRefused: for each reason, nothing is changed, and no byte is kept.
func TestUploadIsRefused(t *testing.T) {
	dir := ""
	s := withLessons(t, func(cfg *Config) { cfg.Limits.File = 1000; dir = filesDir(t, cfg) })
	small, large := pseudo("x", 1000), pseudo("x", 1001)
	s.uploadAs(editor, "201", filePath, small, nil)
	content := s.want("200", ask{method: http.MethodGet, path: "/v2/courses/C1/content", as: editor})
	there := names(t, dir)
	for _, tc := range []struct {
		status string
		as     catalog.Actor
		path   string
		body   []byte
		header map[string]string
	}{
		{"401 unauthorized", nobody, filePath, small, nil},
		{"403 forbidden", learner, filePath, small, nil},
		{"403 forbidden", translator, filePath, small, nil},
		{"403 forbidden", acme, filePath, small, nil},
		{"404 not-found", learner, "/v2/courses/acme~C1/assets/slides/file", small, nil},
		{"404 not-found", editor, "/v2/courses/C9/assets/slides/file", small, nil},
		{"413 too-large", editor, filePath, large, nil},
		{"400 digest-mismatch", editor, filePath, small[:999], map[string]string{"Repr-Digest": digestField(small)}},
		{"400 invalid-parameter", editor, filePath, small[:999], map[string]string{"Repr-Digest": "sha-256=:AAAA:"}},
		{"400 invalid-parameter", editor, filePath, small[:999], map[string]string{"Content-Digest": "sha-256=" + hexOf(small)}},
		{"400 invalid-parameter", editor, filePath, small[:999], map[string]string{"Repr-Digest": digestField(small), "Content-Digest": digestField(large)}},
		{"400 invalid-fields", editor, filePath, nil, nil},
		{"400 invalid-fields", editor, filePath + "?lesson=l9", small[:999], nil},
		{"400 invalid-fields", editor, filePath + "?name=", small[:999], nil},
		{"400 invalid-fields", editor, "/v2/courses/C1/assets/a%2Fb/file", small[:999], nil},
		{"400 unknown-parameter", editor, filePath + "?title=x", small[:999], nil},
		{"415 unsupported-media-type", editor, filePath, small[:999], map[string]string{"Content-Type": "multipart/form-data; boundary=x"}},
		{"415 unsupported-media-type", editor, filePath, small[:999], map[string]string{"Content-Encoding": "gzip"}},
	} {
		s.uploadAs(tc.as, tc.status, tc.path, tc.body, tc.header)
	}
	if after := s.want("200", ask{method: http.MethodGet, path: "/v2/courses/C1/content", as: editor}); !bytes.Equal(after.body, content.body) {
		t.Errorf("the content was changed: %s", after.body)
	}
	if diff := cmp.Diff(there, names(t, dir)); diff != "" {
		t.Errorf("files: %s", diff)
	}
}

// filesDir gives a server a store in a folder that the test knows.
func filesDir(t *testing.T, cfg *Config) string {
	t.Helper()
	dir := t.TempDir()
	held, err := files.Open(files.Config{Dir: dir, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Files = held
	return dir
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// TestUploadIsCutOff: a client that leaves in the middle leaves nothing.
func TestUploadIsCutOff(t *testing.T) {
	dir := ""
	s := withLessons(t, func(cfg *Config) { dir = filesDir(t, cfg) })
	there := names(t, dir)
	body, send := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.URL+filePath, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token(editor))
	go func() {
		_, _ = send.Write(pseudo("half", 200_000))
		send.CloseWithError(errors.New("the tunnel"))
	}()
	if res, err := s.Client().Do(req); err == nil {
		res.Body.Close()
		t.Errorf("half an upload was answered with %s", res.Status)
	}
	s.Close() // waits for the handler
	if diff := cmp.Diff(there, names(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestFilesAreNeverActive(t *testing.T) {
	s := withLessons(t)
	page := []byte("<!DOCTYPE html><script>alert(1)</script>")
	for name, tc := range map[string]struct {
		sent, served, disposition string
		body                      []byte
	}{
		"html":      {"text/html", plainBytes, "attachment", page},
		"xhtml":     {"application/xhtml+xml", plainBytes, "attachment", page},
		"script":    {"text/javascript", "text/plain; charset=utf-8", "inline", []byte("alert(1)")},
		"svg":       {"image/svg+xml", "image/svg+xml", "attachment", []byte("<svg><script/></svg>")},
		"no type":   {plainBytes, "application/pdf", "attachment", []byte("%PDF-1.7 …")},
		"picture":   {plainBytes, "image/png", "inline", []byte("\x89PNG\x0d\x0a\x1a\x0a")},
		"uppercase": {"IMAGE/PNG; a=b", "image/png", "inline", page},
	} {
		path := "/v2/courses/C1/assets/" + strings.ReplaceAll(name, " ", "-") + "/file"
		s.uploadAs(editor, "201", path, tc.body, map[string]string{"Content-Type": tc.sent})
		got := s.want("200", ask{method: http.MethodGet, path: path, as: learner})
		disposition, _, _ := strings.Cut(got.header.Get("Content-Disposition"), ";")
		if got.header.Get("Content-Type") != tc.served || disposition != tc.disposition || !strings.Contains(got.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %s, %s", name, got.header.Get("Content-Type"), disposition)
		}
	}
	for sent, want := range map[string]string{"": "text/plain", "application/x-www-form-urlencoded": "text/plain", "image/png; =": "text/plain", "text/csv": "text/csv"} {
		if got := fileType(sent, []byte("a,b")); got != want {
			t.Errorf("sent as %q it is %s, want %s", sent, got, want)
		}
	}
}

// TestContentKeepsFiles: what was read can be written back, with other words, and the file stays; but nobody gets a file by naming its hash.
func TestContentKeepsFiles(t *testing.T) {
	s := withLessons(t)
	secret := pseudo("secret", 100)
	s.uploadAs(acme, "201", "/v2/courses/acme~C1/assets/slides/file", secret, nil)
	s.uploadAs(editor, "201", filePath+"?lesson=l1", pseudo("public", 100), nil)
	path := "/v2/courses/C1/content"
	content := s.want("200", ask{method: http.MethodGet, path: path, as: editor}).json
	assets, _ := content["assets"].([]any)
	mine, _ := assets[0].(m)
	held := mine["url"]
	mine["name"], mine["sha256"], mine["size"], mine["held"], mine["priority"] = "New name", hexOf(secret), 7, false, 99
	got := s.want("200", ask{method: http.MethodPut, path: path, as: editor, body: content}).json
	assets, _ = got["assets"].([]any)
	mine, _ = assets[0].(m)
	if mine["name"] != "New name" || mine["url"] != held || mine["sha256"] != hexOf(pseudo("public", 100)) || mine["size"] != 100.0 || mine["held"] != true || mine["priority"] != 1.0 {
		t.Errorf("%v", mine)
	}
	stolen := m{"id": "stolen", "name": "x", "media_type": "application/pdf", "sha256": hexOf(secret), "size": 100, "held": true}
	for _, url := range []string{
		"/v2/courses/C1/assets/stolen/file?v=" + hexOf(secret), "/v2/courses/acme~C1/assets/slides/file?v=" + hexOf(secret), filePath,
	} {
		stolen["url"] = url
		content["assets"] = []m{stolen}
		s.want("400 invalid-fields", ask{method: http.MethodPut, path: path, as: editor, body: content})
	}
	stolen["url"] = "https://example.org/elsewhere.pdf"
	s.want("200", ask{method: http.MethodPut, path: path, as: editor, body: content})
	s.want("404 not-found", ask{method: http.MethodGet, path: "/v2/courses/C1/assets/stolen/file", as: editor})
}
