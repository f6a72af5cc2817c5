package files_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/files"
)

// folder is a store whose time and names the test moves.
type folder struct {
	*files.Store
	t   *testing.T
	dir string

	mu    sync.Mutex
	named map[files.Sum]int
	now   time.Time
}

func newFolder(t *testing.T, dir string) *folder {
	t.Helper()
	f := &folder{t: t, dir: dir, named: map[files.Sum]int{}, now: time.Now()}
	var err error
	f.Store, err = files.Open(files.Config{Dir: dir, Named: f.names, Now: f.time, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *folder) time() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *folder) names(context.Context) (map[files.Sum]bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[files.Sum]bool{}
	for sum, n := range maps.All(f.named) {
		all[sum] = n > 0
	}
	return all, nil
}

// name changes by how many a file is named.
func (f *folder) name(sum files.Sum, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.named[sum] += n
}

func (f *folder) receive(text string) *files.Received {
	f.t.Helper()
	got, err := f.Receive(bytes.NewReader([]byte(text)), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return got
}

// sweep sweeps after a time.
func (f *folder) sweep(after time.Duration) {
	f.t.Helper()
	f.mu.Lock()
	f.now = f.now.Add(after)
	f.mu.Unlock()
	if err := f.Sweep(f.t.Context()); err != nil {
		f.t.Error(err)
	}
}

// listing names what is in the folder, with its subfolder.
func (f *folder) listing() []string {
	f.t.Helper()
	var all []string
	err := filepath.WalkDir(f.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			path, err = filepath.Rel(f.dir, path)
			all = append(all, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return all
}

func sumOf(text string) files.Sum { return sha256.Sum256([]byte(text)) }

func TestReceive(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "files")
	f := newFolder(t, dir)
	long := string(bytes.Repeat([]byte("0123456789"), 100_000))
	got, again := f.receive(long), f.receive(long)
	if got.Sum != sumOf(long) || got.Size != int64(len(long)) || string(got.Head) != long[:512] || again.Sum != got.Sum {
		t.Errorf("%s, %d bytes, head %q", got.Sum, got.Size, got.Head)
	}
	short, sum := f.receive("short"), sumOf("short")
	if string(short.Head) != "short" {
		t.Errorf("head of the short one: %q", short.Head)
	}
	want := []string{got.Sum.String(), short.Sum.String()}
	if want[0] > want[1] {
		want[0], want[1] = want[1], want[0]
	}
	for name, tc := range map[string]struct {
		body io.Reader
		want *files.Sum
		code fault.Code
	}{
		"empty":       {bytes.NewReader(nil), nil, fault.InvalidFields},
		"another one": {bytes.NewReader([]byte("shorn")), &sum, fault.DigestMismatch},
		"cut off":     {iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader([]byte("short")))), nil, fault.Internal},
	} {
		if _, err := f.Receive(tc.body, tc.want); fault.CodeOf(err) != tc.code {
			t.Errorf("%s: %v, want %s", name, err, tc.code)
		}
	}
	if _, err := f.Receive(iotest.ErrReader(io.ErrUnexpectedEOF), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the reader's error came as %v", err)
	}
	if diff := cmp.Diff(want, f.listing()); diff != "" {
		t.Error(diff)
	}
	in, err := f.Open(got.Sum)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if text, err := io.ReadAll(in); string(text) != long || err != nil {
		t.Errorf("%d bytes came back, %v", len(text), err)
	}
	if _, err := f.Open(sumOf("never came")); !fault.Is(err, fault.FileMissing) {
		t.Error(err)
	}
}

// TestOpenRemovesWhatWasCutOff: a server that was killed in the middle of an upload leaves no more than a name of its own.
func TestOpenRemovesWhatWasCutOff(t *testing.T) {
	t.Parallel()
	f := newFolder(t, t.TempDir())
	kept := f.receive("kept")
	if err := os.WriteFile(filepath.Join(f.dir, ".upload-1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{kept.Sum.String()}, newFolder(t, f.dir).listing()); diff != "" {
		t.Error(diff)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	f := newFolder(t, t.TempDir())
	used, coming, gone := f.receive("used"), f.receive("coming"), f.receive("gone")
	f.name(used.Sum, 1)
	used.Release()
	gone.Release()
	gone.Release() // twice is once
	inUse := func(sums ...files.Sum) map[string]bool {
		all := map[string]bool{}
		for _, sum := range sums {
			all[sum.String()] = true
		}
		return all
	}
	check := func(when string, want map[string]bool) {
		t.Helper()
		got := map[string]bool{}
		for _, name := range f.listing() {
			got[name] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
	}
	f.sweep(100 * files.Grace) // however old it is, its grace begins when nothing names it
	aside := inUse(used.Sum, coming.Sum)
	aside["unused/"+gone.Sum.String()] = true
	check("put aside", aside)
	if u := f.Usage(); u != (files.Usage{Files: 2, Unused: 1, FilesBytes: 10, UnusedBytes: 4}) {
		t.Errorf("%+v", u)
	}
	if in, err := f.Open(gone.Sum); err != nil {
		t.Errorf("what is aside cannot be read: %v", err)
	} else {
		in.Close()
	}
	f.sweep(files.Grace - time.Hour)
	check("within its grace", aside)
	f.name(gone.Sum, 1) // an older changelog was restored
	f.sweep(time.Hour)
	check("named again", inUse(used.Sum, coming.Sum, gone.Sum))
	f.name(gone.Sum, -1)
	f.sweep(0)
	f.sweep(files.Grace + time.Hour)
	check("grace over", inUse(used.Sum, coming.Sum))
	coming.Release()
	f.sweep(0)
	f.sweep(files.Grace + time.Hour)
	check("never named", inUse(used.Sum))
}

// TestSweepBesideUploads: files come, get a name, lose it and come again, while sweeps put aside and remove whatever they can. None is gone while it has a name.
func TestSweepBesideUploads(t *testing.T) {
	t.Parallel()
	f := newFolder(t, t.TempDir())
	var uploads sync.WaitGroup
	stop := make(chan struct{})
	swept := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				swept <- n
				return
			default:
				f.sweep(2 * files.Grace)
				n++
			}
		}
	}()
	for who := range 4 {
		uploads.Go(func() {
			for i := range 150 {
				got := f.receive(fmt.Sprint("file ", (who+i)%3))
				f.name(got.Sum, 1)
				got.Release()
				in, err := f.Open(got.Sum)
				if err != nil {
					t.Errorf("a named file is gone: %v", err)
				} else {
					in.Close()
				}
				f.name(got.Sum, -1)
			}
		})
	}
	uploads.Wait()
	close(stop)
	if n := <-swept; n == 0 {
		t.Error("nothing was swept meanwhile")
	}
}

// TestSweepNeedsNames: when it cannot be told what is named, nothing is touched.
func TestSweepNeedsNames(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	dir := t.TempDir()
	s, err := files.Open(files.Config{Dir: dir, Named: func(context.Context) (map[files.Sum]bool, error) { return nil, down }})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Receive(bytes.NewReader([]byte("x")), nil)
	if err != nil {
		t.Fatal(err)
	}
	got.Release()
	if err := s.Sweep(t.Context()); !errors.Is(err, down) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, got.Sum.String())); err != nil {
		t.Error(err)
	}
}

func TestParseSum(t *testing.T) {
	t.Parallel()
	sum := sumOf("x")
	if got, ok := files.ParseSum(sum.String()); !ok || got != sum {
		t.Errorf("%s came back as %s", sum, got)
	}
	for _, bad := range []string{"", "x", sum.String()[1:], sum.String() + "0", "../" + sum.String()[3:], string(bytes.ToUpper([]byte(sumOf("y").String())))} {
		if _, ok := files.ParseSum(bad); ok {
			t.Errorf("%q was taken", bad)
		}
	}
}
