package api

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	stdsync "sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func TestIdempotency(t *testing.T) {
	s := newServer(t)
	key := map[string]string{idempotencyHeader: "k1"}
	post := ask{method: http.MethodPost, path: "/v2/courses", as: editor, body: m{"id": "c", "title": "T"}, header: key}
	first := s.want("201", post)
	again := s.want("201", post)
	if string(again.body) != string(first.body) || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the answer was not given again: %v %s", again.header, again.body)
	}
	for _, name := range []string{"Location", "ETag", "Carrel-As-Of", "Content-Type"} {
		if again.header.Get(name) != first.header.Get(name) || again.header.Get(name) == "" {
			t.Errorf("%s is %q, was %q", name, again.header.Get(name), first.header.Get(name))
		}
	}
	other := post
	other.body = m{"id": "d", "title": "T"}
	s.want("422 idempotency-key-reused", other)
	other.as = acme // whose key it is counts
	s.want("403 forbidden", other)
	s.want("403 forbidden", other) // a refusal is kept too
	s.want("401 unauthorized", ask{method: http.MethodPost, path: "/v2/courses", body: m{"id": "c", "title": "T"}, header: key})
	s.want("409 already-exists", ask{method: http.MethodPost, path: "/v2/courses", as: editor, body: m{"id": "c", "title": "T"}, header: map[string]string{idempotencyHeader: "k2"}})

	s.clock.add(replayTTL - time.Minute)
	s.want("201", post)
	s.clock.add(2 * time.Minute)
	s.want("409 already-exists", post)
}

// TestConcurrentDuplicates: of many at once, one works and all get its answer.
func TestConcurrentDuplicates(t *testing.T) {
	s := newServer(t)
	var wg stdsync.WaitGroup
	answers := make([]answer, 8)
	for i := range answers {
		wg.Go(func() {
			answers[i] = s.do(ask{method: http.MethodPost, path: "/v2/courses", as: editor, body: m{"id": "c", "title": "T"}, header: map[string]string{idempotencyHeader: "k"}})
		})
	}
	wg.Wait()
	fresh := 0
	for _, got := range answers {
		if got.status != http.StatusCreated {
			t.Errorf("answered %d %s", got.status, got.body)
		}
		if got.header.Get("Idempotency-Replayed") == "" {
			fresh++
		}
	}
	if fresh != 1 {
		t.Errorf("%d did the work, want 1", fresh)
	}
}

// TestIdempotentImport: an upload goes through a file, as a form too.
func TestIdempotentImport(t *testing.T) {
	s := newServer(t)
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "courses.csv")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(part, "id,title\nC1,One\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	post := ask{method: http.MethodPost, path: "/v2/imports", as: editor, body: form.Bytes(), header: map[string]string{idempotencyHeader: "k", "Content-Type": w.FormDataContentType()}}
	first := s.want("202", post)
	if again := s.want("202", post); again.text("id") != first.text("id") {
		t.Error("the file was imported twice")
	}
	if first.text("file") != "courses.csv" {
		t.Errorf("the file is named %q", first.text("file"))
	}
	done := s.awaitImport(first.header.Get("Location"))
	if rows, _ := done.json["rows"].(m); done.text("state") != "done" || rows["created"] != 1.0 {
		t.Errorf("the import ended as %s", done.body)
	}
	empty := multipart.NewWriter(new(bytes.Buffer))
	s.want("400 invalid-fields", ask{method: http.MethodPost, path: "/v2/imports", as: editor, body: "x", header: map[string]string{"Content-Type": empty.FormDataContentType()}})
	s.want("403 forbidden", ask{method: http.MethodPost, path: "/v2/imports", as: learner, body: "id,title\n"})
	s.want("401 unauthorized", ask{method: http.MethodGet, path: "/v2/imports"})
	s.want("404 not-found", ask{method: http.MethodGet, path: "/v2/imports/none", as: editor})
	s.want("404 not-found", ask{method: http.MethodGet, path: "/v2/imports/" + first.text("id"), as: acme})
	s.want("404 not-found", ask{method: http.MethodGet, path: "/v2/imports/" + first.text("id") + "/errors.csv", as: acme})
}

// TestReplaysAreBounded: the store holds so many bytes; the oldest go first, and what has expired goes by itself.
func TestReplaysAreBounded(t *testing.T) {
	s := newServer(t)
	p := s.api.replays
	p.max = 10_000
	put := func(key string) {
		t.Helper()
		if err := p.put(key, replay{At: p.now(), Status: 201, Body: make([]byte, 700)}); err != nil {
			t.Fatal(err)
		}
		s.clock.add(time.Second)
	}
	count := func() (n int, bytes uint64) {
		_ = p.db.View(func(tx *bolt.Tx) error {
			all := tx.Bucket(bucketReplays)
			n, bytes = all.Stats().KeyN, all.Sequence()
			if ends := tx.Bucket(bucketReplayEnds).Stats().KeyN; ends != n {
				t.Errorf("%d answers, %d ends", n, ends)
			}
			return nil
		})
		return n, bytes
	}
	for i := range 30 {
		put(fmt.Sprintf("key-%02d", i))
		put(fmt.Sprintf("key-%02d", i)) // a key put again counts once
	}
	n, bytes := count()
	if n == 0 || n >= 30 || bytes > uint64(p.max) {
		t.Errorf("%d answers of %d bytes are kept, at most %d bytes are allowed", n, bytes, p.max)
	}
	if old, err := p.get("key-00"); old != nil || err != nil {
		t.Error("the oldest was kept")
	}
	if last, err := p.get("key-29"); last == nil || err != nil {
		t.Errorf("the newest was dropped: %v", err)
	}
	s.clock.add(replayTTL)
	if err := p.sweep(); err != nil {
		t.Fatal(err)
	}
	if n, bytes := count(); n != 0 || bytes != 0 {
		t.Errorf("%d answers of %d bytes outlived their time", n, bytes)
	}
}
