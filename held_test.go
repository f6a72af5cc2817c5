package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/files"
)

// putFile uploads a file of a course, and returns where it is on disk.
func putFile(ctx context.Context, t *testing.T, url, token, dir, asset, text string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url+"/v2/courses/C1/assets/"+asset+"/file", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); answer.StatusCode != http.StatusCreated || err != nil {
		t.Fatalf("%s: %s, %v", answer.Status, body, err)
	}
	return filepath.Join(folder(dir).files(), strings.Trim(answer.Header.Get("ETag"), `"`))
}

// TestVerifyFiles uploads two files to a server and damages them, once it has stopped, in each way.
func TestVerifyFiles(t *testing.T) {
	dir := filledFolder(t, 3)
	writeCourse(t, dir, "C1", "With files")
	token := adminToken(t, dir)
	server := startServer(t, dir)
	one := putFile(t.Context(), t, server.url, token, dir, "one", "one")
	two := putFile(t.Context(), t, server.url, token, dir, "two", "twice")
	server.kill()
	says := func(want string, args ...string) {
		t.Helper()
		if out := succeed(t, append([]string{"verify", "--data", dir}, args...)...); !strings.Contains(out, want) {
			t.Errorf("verify %v says %s, want %s", args, out, want)
		}
	}
	wrong := func(want string, args ...string) {
		t.Helper()
		status, out, errs := carrel(t, append([]string{"verify", "--data", dir}, args...)...)
		if status != exitFailed || !strings.Contains(out, want) || !strings.Contains(errs, "copy of the folder files") {
			t.Errorf("verify %v: status %d\n%s%s", args, status, out, errs)
		}
	}
	says("files: 2 of 8 bytes, all there\n")
	says("with the bytes that they came with", "--deep")
	says(`"files":{"count":2,"bytes":8,"hashed":true}`, "--deep", "--json")
	if err := os.WriteFile(one, []byte("ONE"), 0o600); err != nil {
		t.Fatal(err)
	}
	says("all there\n")
	wrong(filepath.Base(one)+", of the asset C1/one, has other bytes", "--deep")
	if err := os.WriteFile(one, []byte("longer"), 0o600); err != nil {
		t.Fatal(err)
	}
	wrong("C1/one, has 6 bytes instead of 3")
	if err := os.WriteFile(one, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	aside := filepath.Join(filepath.Dir(two), "unused", filepath.Base(two))
	if err := os.Rename(two, aside); err != nil {
		t.Fatal(err)
	}
	says("all there\n")
	if err := os.Remove(aside); err != nil {
		t.Fatal(err)
	}
	wrong("C1/two, is missing")
}

// TestServerKeepsNamedFiles: what a server takes for unused follows the changelog: a start over an older one brings files back.
func TestServerKeepsNamedFiles(t *testing.T) {
	t.Parallel()
	c, err := catalog.Open(catalog.Config{Path: filepath.Join(t.TempDir(), "log.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := files.Open(files.Config{Dir: t.TempDir(), Named: named(c)})
	if err != nil {
		t.Fatal(err)
	}
	used, err := s.Receive(bytes.NewReader([]byte("used")), nil)
	if err != nil {
		t.Fatal(err)
	}
	used.Release()
	sweep := func(want files.Usage) {
		t.Helper()
		if err := s.Sweep(t.Context()); err != nil || s.Usage() != want {
			t.Errorf("%+v, %v", s.Usage(), err)
		}
	}
	sweep(files.Usage{Unused: 1, UnusedBytes: 4})
	_, err = c.Update(t.Context(), catalog.System, func(tx *catalog.Tx) error {
		if _, err := tx.PutCourse(catalog.Course{ID: "C1", Text: catalog.Text{Title: "One"}, Language: "en", State: catalog.Draft}, catalog.Cond{}); err != nil {
			return err
		}
		_, _, err := tx.PutAssetFile("C1", catalog.AssetFile{ID: "a", MediaType: "text/plain", Size: 4, SHA256: used.Sum.String()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sweep(files.Usage{Files: 1, FilesBytes: 4})
}
