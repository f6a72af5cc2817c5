package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/files"
)

const filePath = "/v2/courses/C1/assets/slides/file"

// withLessons is a server with two courses of two lessons: C1, and acme~C1 of an organization. lea and the organization's meg are enrolled.
func withLessons(t *testing.T, change ...func(*Config)) *server {
	t.Helper()
	s := newServer(t, change...)
	_, err := s.catalog.Update(t.Context(), catalog.System, func(tx *catalog.Tx) error {
		for _, id := range []catalog.CourseID{"C1", "acme~C1"} {
			if _, err := tx.PutCourse(catalog.Course{ID: id, Text: catalog.Text{Title: "Learning Go"}, Language: "en", State: catalog.Published}, catalog.Cond{}); err != nil {
				return err
			}
			en := func(text string) map[catalog.Locale]string { return map[catalog.Locale]string{"en": text} }
			_, err := tx.PutContent(id, catalog.Content{
				Modules: []catalog.Module{{ID: "m1", Title: en("One")}},
				Lessons: []catalog.Lesson{{ID: "l1", Module: "m1", Title: en("First")}, {ID: "l2", Module: "m1", Title: en("Second")}},
			}, catalog.Cond{})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, as := range map[catalog.CourseID]catalog.Actor{"C1": learner, "acme~C1": meg} {
		if _, err := s.catalog.Update(t.Context(), as, func(tx *catalog.Tx) error {
			_, err := tx.PutEnrollment(as.Subject, id, catalog.Active, catalog.Cond{})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

var meg = catalog.Actor{Subject: "meg", Org: "acme"}

// uploadAs puts a file and returns the asset.
func (s *server) uploadAs(as catalog.Actor, status, path string, body []byte, header map[string]string) answer {
	s.t.Helper()
	if header == nil {
		header = map[string]string{}
	}
	if _, given := header["Content-Type"]; !given {
		header["Content-Type"] = "application/pdf"
	}
	return s.want(status, ask{method: http.MethodPut, path: path, as: as, body: body, header: header})
}

// pseudo makes bytes that repeat nowhere within a range, and look like nothing.
func pseudo(seed string, n int) []byte {
	var out []byte
	for i := 0; len(out) < n; i++ {
		sum := sha256.Sum256([]byte(seed + strconv.Itoa(i)))
		out = append(out, sum[:]...)
	}
	return out[:n]
}

func hexOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func digestField(body []byte) string {
	sum := sha256.Sum256(body)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// TestResume cuts a download at many places and goes on from each.
func TestResume(t *testing.T) {
	s := withLessons(t)
	body := pseudo("film", 100_000)
	s.uploadAs(editor, "201", filePath, body, map[string]string{"Content-Type": "video/mp4"})
	for _, cut := range []int{0, 1, 511, 4096, 32768, 50_001, len(body) - 1} {
		head, tag := s.firstBytes(filePath, cut)
		got := s.want("206", ask{method: http.MethodGet, path: filePath, as: learner, header: map[string]string{
			"Range": fmt.Sprintf("bytes=%d-", cut), "If-Range": tag, "Accept-Encoding": "gzip, zstd",
		}})
		if !bytes.Equal(append(head, got.body...), body) {
			t.Errorf("cut at %d: what came is another file", cut)
		}
		if want := fmt.Sprintf("bytes %d-%d/%d", cut, len(body)-1, len(body)); got.header.Get("Content-Range") != want || got.header.Get("Content-Encoding") != "" {
			t.Errorf("cut at %d: Content-Range %s, %s", cut, got.header.Get("Content-Range"), got.header.Get("Content-Encoding"))
		}
	}
	head, tag := s.firstBytes(filePath, 1000)
	other := append(bytes.Clone(head), pseudo("other", 500)...)
	s.uploadAs(editor, "200", filePath, other, map[string]string{"Content-Type": "video/mp4"})
	got := s.want("200", ask{method: http.MethodGet, path: filePath, as: learner, header: map[string]string{"Range": "bytes=1000-", "If-Range": tag}})
	if !bytes.Equal(got.body, other) {
		t.Error("another file was taken for the rest of the first one")
	}
}

// firstBytes begins a download and leaves after some bytes; it returns them and the file's tag.
func (s *server) firstBytes(path string, n int) ([]byte, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token(learner))
	res, err := s.Client().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	head := make([]byte, n)
	if _, err := io.ReadFull(res.Body, head); err != nil {
		s.t.Fatal(err)
	}
	return head, res.Header.Get("ETag")
}

func TestDownload(t *testing.T) {
	s := withLessons(t, func(cfg *Config) { cfg.Limits.Timeout = time.Nanosecond }) // which is for requests, not for files
	body := bytes.Repeat([]byte("a text that could be compressed. "), 200)
	tag := `"` + hexOf(body) + `"`
	made := s.uploadAs(editor, "201", filePath+"?name=R%C3%A9sum%C3%A9%20%221%22.txt", body, map[string]string{"Content-Type": "text/plain"})
	get := func(status, path string, header map[string]string) answer {
		t.Helper()
		return s.want(status, ask{method: http.MethodGet, path: path, as: learner, header: header})
	}
	whole := get("200", made.text("url"), map[string]string{"Accept-Encoding": "gzip, zstd"})
	if !bytes.Equal(whole.body, body) {
		t.Error("another file came")
	}
	for name, want := range map[string]string{
		"ETag": tag, "Content-Length": strconv.Itoa(len(body)), "Content-Type": "text/plain; charset=utf-8", "Content-Encoding": "", "Accept-Ranges": "bytes",
		"Cache-Control": "private, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": fileCSP, "Repr-Digest": digestField(body),
		noCompression: "",
	} {
		if got := whole.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if disposition, params, err := mime.ParseMediaType(whole.header.Get("Content-Disposition")); disposition != "inline" || params["filename"] != `Résumé "1".txt` || err != nil {
		t.Errorf("%s, %v, %v", disposition, params, err)
	}
	if got := get("304", filePath, map[string]string{"If-None-Match": tag}); len(got.body) > 0 || got.header.Get("ETag") != tag {
		t.Errorf("304 with %d bytes and %s", len(got.body), got.header.Get("ETag"))
	}
	if got := get("206", filePath, map[string]string{"Range": "bytes=-5"}); string(got.body) != string(body[len(body)-5:]) {
		t.Errorf("%q", got.body)
	}
	several := get("206", filePath, map[string]string{"Range": "bytes=0-3, 10-12"})
	_, params, _ := mime.ParseMediaType(several.header.Get("Content-Type"))
	parts := multipart.NewReader(bytes.NewReader(several.body), params["boundary"])
	for _, want := range []string{string(body[:4]), string(body[10:13])} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(part); string(text) != want || err != nil {
			t.Errorf("%q, %v, want %q", text, err, want)
		}
	}
	if got := get("416 range-not-satisfiable", filePath, map[string]string{"Range": "bytes=999999-"}); got.header.Get("Content-Range") != fmt.Sprintf("bytes */%d", len(body)) ||
		got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", got.header)
	}
	get("412 lost-update", filePath, map[string]string{"If-Match": `"0"`})
	get("404 not-found", filePath+"?v="+strings.Repeat("0", 64), nil)
	if got := s.want("200", ask{method: http.MethodHead, path: filePath, as: learner}); got.header.Get("Content-Length") != strconv.Itoa(len(body)) || len(got.body) > 0 {
		t.Errorf("HEAD: %v", got.header)
	}
}

// TestFilesAreForReaders: the file and the manifest answer each caller as the content does, before and after access is lost.
func TestFilesAreForReaders(t *testing.T) {
	s := withLessons(t)
	paths := func(course string) []string {
		base := "/v2/courses/" + course
		return []string{base + "/content", base + "/manifest", base + "/assets/slides/file"}
	}
	s.uploadAs(editor, "201", filePath, pseudo("public", 100), nil)
	s.uploadAs(acme, "201", "/v2/courses/acme~C1/assets/slides/file", pseudo("secret", 100), nil)
	check := func(status string, as catalog.Actor, course string) {
		t.Helper()
		for _, path := range paths(course) {
			s.want(status, ask{method: http.MethodGet, path: path, as: as})
		}
	}
	stranger := catalog.Actor{Subject: "sam"}
	for _, as := range []catalog.Actor{learner, editor, translator, admin} {
		check("200", as, "C1")
	}
	check("403 not-enrolled", stranger, "C1")
	check("403 not-enrolled", nobody, "C1")
	for _, as := range []catalog.Actor{meg, acme, acmeAdmin, editor} {
		check("200", as, "acme~C1")
	}
	for _, as := range []catalog.Actor{learner, stranger, nobody} {
		check("404 not-found", as, "acme~C1")
	}
	s.want("404 not-found", ask{method: http.MethodGet, path: "/v2/courses/C1/assets/none/file", as: learner})

	s.want("204", ask{method: http.MethodDelete, path: "/v2/me/enrollments/C1", as: learner})
	check("403 not-enrolled", learner, "C1")
	s.want("200", ask{method: http.MethodPatch, path: "/v2/courses/C1", as: editor, body: m{"state": "draft"}})
	check("404 not-found", learner, "C1")
	check("200", editor, "C1")
	s.want("200", ask{method: http.MethodPatch, path: "/v2/courses/C1", as: editor, body: m{"state": "published", "content_public": true}})
	check("200", nobody, "C1")
	s.want("204", ask{method: http.MethodDelete, path: "/v2/courses/C1", as: editor})
	check("404 not-found", editor, "C1")
	later := meg
	later.Org, later.IssuedAt = "", s.clock.now().Unix()+60
	s.clock.add(2 * time.Minute)
	check("404 not-found", later, "acme~C1")
}

func TestManifest(t *testing.T) {
	s := withLessons(t)
	const path = "/v2/courses/C1/manifest"
	empty := s.want("200", ask{method: http.MethodGet, path: path, as: learner})
	if empty.json["total_bytes"] != 0.0 || fmt.Sprint(empty.json["assets"]) != "[]" {
		t.Errorf("%s", empty.body)
	}
	put := func(id, lesson string, body []byte) {
		t.Helper()
		s.uploadAs(editor, "201", "/v2/courses/C1/assets/"+id+"/file?lesson="+lesson, body, nil)
	}
	film, text := pseudo("film", 900), pseudo("text", 20)
	put("film", "l1", film)
	put("text", "l1", text)
	put("late", "l2", pseudo("late", 10))
	put("plan", "", pseudo("plan", 500))
	put("again", "l2", film) // the same bytes
	order := func(a answer) (ids []string) {
		list, _ := a.json["assets"].([]any)
		for _, one := range list {
			ids = append(ids, fmt.Sprint(one.(m)["id"]))
		}
		return ids
	}
	full := s.want("200", ask{method: http.MethodGet, path: path, as: learner})
	if diff := cmp.Diff([]string{"plan", "text", "film", "late", "again"}, order(full)); diff != "" {
		t.Error(diff)
	}
	if full.json["total_bytes"] != 1430.0 || full.text("course") != "C1" {
		t.Errorf("%s", full.body)
	}
	list, _ := full.json["assets"].([]any)
	for _, one := range list {
		asset, _ := one.(m)
		got := s.want("200", ask{method: http.MethodGet, path: fmt.Sprint(asset["url"]), as: learner})
		if hexOf(got.body) != asset["sha256"] || float64(len(got.body)) != asset["size"] {
			t.Errorf("%v: another file came", asset["id"])
		}
	}
	pulled := s.pull("200", learner, "channels", "course:C1")
	for _, one := range list { // sync tells the same, under the keys of its rows
		asset, _ := one.(m)
		row := pulled.doc("asset", "C1/"+fmt.Sprint(asset["id"]))
		for _, field := range []string{"url", "size", "sha256", "media_type", "name", "priority"} {
			if row == nil || row[field] != asset[field] {
				t.Errorf("%v: %s is %v in sync, %v in the manifest", asset["id"], field, row[field], asset[field])
			}
		}
	}
	held := map[string]string{"If-None-Match": full.header.Get("ETag")}
	s.want("304", ask{method: http.MethodGet, path: path, as: learner, header: held})
	content := s.want("200", ask{method: http.MethodGet, path: "/v2/courses/C1/content", as: editor})
	if content.header.Get("ETag") != full.header.Get("ETag") {
		t.Error("its tag is not the content's")
	}
	lessons, _ := content.json["lessons"].([]any)
	lessons[0], lessons[1] = lessons[1], lessons[0]
	for i := range lessons {
		lessons[i].(m)["position"] = i
	}
	s.want("200", ask{method: http.MethodPut, path: "/v2/courses/C1/content", as: editor, body: content.json})
	turned := s.want("200", ask{method: http.MethodGet, path: path, as: learner, header: held})
	if diff := cmp.Diff([]string{"plan", "late", "again", "text", "film"}, order(turned)); diff != "" {
		t.Errorf("lessons were turned round: %s", diff)
	}
}

// TestSweptFiles: what is superseded, or of a course that was deleted, goes after a while; what another course still has stays.
func TestSweptFiles(t *testing.T) {
	s := withLessons(t)
	one, two := pseudo("one", 100), pseudo("two", 100)
	other := "/v2/courses/acme~C1/assets/slides/file"
	s.uploadAs(editor, "201", filePath, one, nil)
	s.uploadAs(acme, "201", other, one, nil)
	s.uploadAs(editor, "200", filePath, two, nil)
	sweep := func() {
		t.Helper()
		for range 2 {
			if err := s.files.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
			s.clock.add(files.Grace)
		}
	}
	sweep()
	s.want("200", ask{method: http.MethodGet, path: filePath, as: editor})
	s.want("200", ask{method: http.MethodGet, path: other, as: acme})
	s.want("204", ask{method: http.MethodDelete, path: "/v2/courses/acme~C1", as: acme})
	sweep()
	if u := s.files.Usage(); u != (files.Usage{Files: 1, FilesBytes: 100}) {
		t.Errorf("%+v", u)
	}
	s.want("200", ask{method: http.MethodGet, path: filePath, as: editor})
}

// TestMissingFile: a folder that was not brought back with the changelog is the server's trouble, not the course's.
func TestMissingFile(t *testing.T) {
	dir := ""
	s := withLessons(t, func(cfg *Config) { dir = filesDir(t, cfg) })
	body := pseudo("x", 100)
	s.uploadAs(editor, "201", filePath, body, nil)
	if err := os.Remove(filepath.Join(dir, hexOf(body))); err != nil {
		t.Fatal(err)
	}
	if got := s.want("503 file-missing", ask{method: http.MethodGet, path: filePath, as: learner}); got.header.Get("Retry-After") != "3600" {
		t.Errorf("Retry-After: %s", got.header.Get("Retry-After"))
	}
	s.want("200", ask{method: http.MethodGet, path: "/v2/courses/C1/manifest", as: learner})
}

// TestOverloadedFiles: more files than may be under way at once are turned away, and let in again.
func TestOverloadedFiles(t *testing.T) {
	s := withLessons(t)
	s.uploadAs(editor, "201", filePath, pseudo("x", 10), nil)
	for range maxDownloads {
		s.api.downloads <- struct{}{}
	}
	for range maxUploads {
		s.api.uploads <- struct{}{}
	}
	s.want("503 overloaded", ask{method: http.MethodGet, path: filePath, as: learner})
	s.uploadAs(editor, "503 overloaded", filePath, pseudo("y", 10), nil)
	<-s.api.downloads
	<-s.api.uploads
	s.want("200", ask{method: http.MethodGet, path: filePath, as: learner})
	s.want("200", ask{method: http.MethodGet, path: filePath, as: learner})
	s.uploadAs(editor, "200", filePath, pseudo("y", 10), nil)
}

// TestDrainCutsDownloads: a server that stops does not wait for slow phones; they go on by Range.
func TestDrainCutsDownloads(t *testing.T) {
	s := withLessons(t)
	s.uploadAs(editor, "201", filePath, make([]byte, 32<<20), nil) // more than lies between server and client
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+filePath, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token(learner))
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.ReadFull(res.Body, make([]byte, 1<<16)); err != nil {
		t.Fatal(err)
	}
	s.api.Drain()
	if rest, err := io.Copy(io.Discard, res.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d more bytes, %v", rest, err)
	}
}

// deadlines is a writer, and a body, that remembers which deadlines it was given.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write []time.Time
}

// SetReadDeadline serves [http.ResponseController].
func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.read = append(d.read, at)
	return nil
}

// SetWriteDeadline serves [http.ResponseController].
func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.write = append(d.write, at)
	return nil
}

// TestSlowIsNotStalled: with each piece that a client takes or sends, its last moment moves on; a server that stops moves it no more, and the disk has all the time.
func TestSlowIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		control := http.NewResponseController(d)
		start := time.Now()
		out := &stream{w: d, control: control, stall: fileStall}
		in := &patientBody{ReadCloser: io.NopCloser(iotest.OneByteReader(strings.NewReader("1234"))), control: control}
		step := func() {
			_, _ = out.Write([]byte("x"))
			_, _ = in.Read(make([]byte, 1))
		}
		step()
		step() // at once: not worth a deadline
		time.Sleep(fileStall - time.Second)
		step()
		out.cut()
		time.Sleep(streamPulse)
		step()
		step() // the end of the body
		second, third := start.Add(2*fileStall-time.Second), start.Add(2*fileStall)
		if diff := cmp.Diff([]time.Time{start.Add(fileStall), second, time.Unix(1, 0)}, d.write); diff != "" {
			t.Errorf("writing: %s", diff)
		}
		if diff := cmp.Diff([]time.Time{start.Add(fileStall), second, third, {}}, d.read); diff != "" {
			t.Errorf("reading: %s", diff)
		}
	})
}
