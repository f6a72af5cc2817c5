package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	stdsync "sync"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// raw asks as a client that decodes nothing does, and returns status, headers and the body as it came.
func (s *server) raw(path string, header map[string]string) (int, http.Header, []byte) {
	req, err := http.NewRequest(http.MethodGet, s.URL+path, nil)
	if err != nil {
		s.t.Error(err)
		return 0, nil, nil
	}
	req.Header.Set("Accept-Encoding", "identity")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := s.Client().Do(req)
	if err != nil {
		s.t.Error(err)
		return 0, nil, nil
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Error(err)
	}
	return res.StatusCode, res.Header, body
}

func count(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

func TestSharedPageIsMadeOnce(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	const path, callers = "/v2/sync?channels=catalog&locale=en", 50
	bodies := make([][]byte, callers)
	var all stdsync.WaitGroup
	for i := range callers {
		all.Go(func() { _, _, bodies[i] = s.raw(path, nil) })
	}
	all.Wait()
	for i, body := range bodies {
		if !bytes.Equal(body, bodies[0]) || len(body) == 0 {
			t.Fatalf("caller %d got %q, another %q", i, body, bodies[0])
		}
	}
	if made := count(t, s.api.metrics.syncMade); made != 1 {
		t.Errorf("the page was made %v times for %d callers", made, callers)
	}
	if shared := count(t, s.api.metrics.syncShared); shared != callers {
		t.Errorf("it answered %v of %d callers", shared, callers)
	}

	_, plain, body := s.raw(path, nil)
	s.wantEncodings(path, "", body)
	status, held, nothing := s.raw(path, map[string]string{"If-None-Match": plain.Get("ETag")})
	if status != http.StatusNotModified || len(nothing) > 0 || held.Get("Vary") != "Accept-Encoding" {
		t.Errorf("the page that one holds is answered %d %q, %v", status, nothing, held)
	}
	for _, name := range []string{"X-Request-Id", "X-Content-Type-Options", "Content-Language", "Cache-Control"} {
		if held.Get(name) == "" {
			t.Errorf("an answer from memory has no %s", name)
		}
	}
}

// wantEncodings asks for a page in each encoding, as it is made and as it is held, and compares what comes.
func (s *server) wantEncodings(path, authorization string, want []byte) {
	s.t.Helper()
	for encoding, decode := range map[string]func(io.Reader) (io.Reader, error){
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
	} {
		for range 2 {
			header := map[string]string{"Accept-Encoding": encoding}
			if authorization != "" {
				header["Authorization"] = authorization
			}
			_, h, packed := s.raw(path, header)
			r, err := decode(bytes.NewReader(packed))
			if err != nil || h.Get("Content-Encoding") != encoding {
				s.t.Fatalf("%s: %v, Content-Encoding %q", encoding, err, h.Get("Content-Encoding"))
			}
			if unpacked, err := io.ReadAll(r); err != nil || !bytes.Equal(unpacked, want) {
				s.t.Errorf("%s: %v, %q", encoding, err, unpacked)
			}
		}
	}
}

// TestOwnPageIsCompressed: what a phone gets for itself is compressed whether it is large or small, and has no headers for caches.
func TestOwnPageIsCompressed(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	token := "Bearer " + s.token(learner)
	for _, title := range []string{"A short title that is said twice: a short title that is said twice", strings.Repeat("A long one, ", 80) + "and its end"} {
		s.want("200", ask{method: http.MethodPut, path: "/v2/courses/C1", as: editor, body: m{"title": "Go", "summary": title}})
		const path = "/v2/sync?channels=catalog,me&locale=en"
		_, h, body := s.raw(path, map[string]string{"Authorization": token})
		if !bytes.Contains(body, []byte(title)) || h.Get("Vary") != "" || h.Get("Cache-Control") != "private, no-store" {
			t.Fatalf("%s, %v", body, h)
		}
		s.wantEncodings(path, token, body)
	}
}

func TestSharedPageIsNeverStale(t *testing.T) {
	t.Parallel()
	s := syncServer(t)
	const path = "/v2/sync?channels=catalog&locale=en"
	for n := range 5 {
		s.raw(path, nil)
		title := fmt.Sprint("Edition ", n)
		s.want("200", ask{method: http.MethodPut, path: "/v2/courses/C1", as: editor, body: m{"title": title}})
		if _, _, body := s.raw(path, nil); !bytes.Contains(body, []byte(title)) {
			t.Errorf("after a write the page is %s", body)
		}
	}
	if status, _, body := s.raw(path+"&nonsense=1", nil); status != http.StatusBadRequest {
		t.Errorf("a wrong parameter is answered %d %s", status, body)
	}
	if status, _, body := s.raw(path, map[string]string{"Authorization": "Bearer nonsense"}); status != http.StatusUnauthorized {
		t.Errorf("a wrong token is answered %d %s", status, body)
	}
	if status, _, body := s.raw("/v2/sync?channels=catalog&cursor=nonsense", nil); status != http.StatusBadRequest {
		t.Errorf("a wrong cursor is answered %d %s", status, body)
	}
}
