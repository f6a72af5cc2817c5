package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// source writes a changelog, and tells before how long it is; −1: it does not know.
type source func(ctx context.Context, w io.Writer, announce func(size int64)) error

// backup copies the changelog, of a folder or of a running server: everything else in the data folder is derived from it, or kept apart on purpose.
func (p program) backup(ctx context.Context, args []string) error {
	f := newFlags("backup", "FILE [flags]", p.getenv, p.stderr)
	data := f.text("data", "./data", "data `FOLDER`, while no server holds it; secrets in it are not part of the backup: keep them apart")
	server := f.text("server", "", "`URL` of a running server to copy from, instead of a folder")
	token := f.text("token", "", "bearer `TOKEN` for the server, of an administrator without an organization")
	words, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return f.wrong("name one file to write to; one that is there is replaced once the new backup is whole")
	}
	if *server != "" {
		r := remote{base: strings.TrimRight(*server, "/"), token: *token}
		return p.save(ctx, words[0], r.backup)
	}
	log := folder(*data).log()
	if _, err := os.Stat(log); err != nil {
		return fmt.Errorf("there is no catalog in %s", *data)
	}
	if sameFile(log, words[0]) {
		return f.wrong("%s is the changelog itself", words[0])
	}
	b, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: log, ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(p.save(ctx, words[0], b.Backup), b.Close())
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// backup is a [source].
func (r remote) backup(ctx context.Context, w io.Writer, announce func(size int64)) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+"/v2/backup", nil)
	if err != nil {
		return fmt.Errorf("--server: %w", err)
	}
	req.Header.Set("Accept-Encoding", "identity") // else the length of the file is not told
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // what is left of it is of no use
	if answer.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(answer.Body, answerBytes))
		return errors.Join(err, refusal(answer, text))
	}
	announce(answer.ContentLength)
	n, err := io.Copy(w, answer.Body)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the answer broke off after %d of %d bytes: was the server stopped?", n, answer.ContentLength)
	}
	return err
}

// save writes a backup under another name, reads all of it, and only then lets it take the place of what was under its own: what is there is whole, always.
func (p program) save(ctx context.Context, path string, from source) error {
	if err := mayReplace(path); err != nil {
		return err
	}
	var found coursesync.Verified
	err := writeWhole(path, func(out *os.File) error {
		if err := p.copying(ctx, out, from); err != nil {
			return err
		}
		var err error
		found, err = readBack(ctx, out.Name())
		return err
	})
	switch {
	case noRoom(err):
		return fmt.Errorf("there is no room in %s for the backup; nothing of it was left there, and %s is as it was", filepath.Dir(path), path)
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "%s holds %d entities, all read back. Keep the folder secrets apart from it: carrel restore needs both\n", path, found.Live)
	return err
}

// mayReplace refuses to replace the changelog of a running server.
func mayReplace(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		return fmt.Errorf("%s is a folder: name a file", path)
	}
	if err != nil {
		return nil //nolint:nilerr // it is not there, or writing beside it will say what is wrong
	}
	b, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: path, ReadOnly: true, LockTimeout: time.Millisecond})
	if fault.Is(err, fault.Locked) {
		return fmt.Errorf("%s is in use: it is the changelog of a server, not a backup", path)
	}
	if err == nil {
		err = b.Close()
		return err
	}
	return nil // an earlier backup that is damaged is replaced most of all
}

// readBack walks over what was written. A changelog of an older format can only be copied.
func readBack(ctx context.Context, path string) (found coursesync.Verified, err error) {
	b, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: path, ReadOnly: true})
	if fault.Is(err, fault.Corrupt) {
		return found, fmt.Errorf("what came is no whole backup (%w); it was removed", errors.Unwrap(err))
	}
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if b.Older() {
		return found, nil
	}
	found, err = b.Verify(ctx, coursesync.VerifyConfig{})
	if err == nil && found.Wrong.Len() > 0 {
		err = fmt.Errorf("the copy is damaged, and was removed: is the changelog? See carrel verify. %d findings, the first: %s", found.Wrong.Len(), found.Wrong.List[0])
	}
	return found, err
}

// noRoom reports whether a disk is full.
func noRoom(err error) bool {
	return fault.Is(err, fault.DiskFull) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

const (
	// partialMark is in the names of files that are being written.
	partialMark = ".partial-"
	// partialAge is from when on such a file counts as left by a kill: none is written to for so long without a byte.
	partialAge = 24 * time.Hour
)

// writeWhole writes a file under another name first. On an error nothing of it is left, and what was there stays.
func writeWhole(path string, write func(*os.File) error) error {
	mark := "." + filepath.Base(path) + partialMark
	sweepPartial(filepath.Dir(path), mark)
	out, err := os.CreateTemp(filepath.Dir(path), mark+"*") // readable by its owner only
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(out.Name()) }() // gone already when all went well
	err = write(out)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	if err := os.Rename(out.Name(), path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// sweepPartial removes what kills have left, as far as it can.
func sweepPartial(dir, mark string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), mark) && time.Since(info.ModTime()) > partialAge {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// syncFolder makes a new name durable. Some systems cannot, and do not need it.
func syncFolder(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the administrator names it
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	_ = d.Sync() // see above
	return d.Close()
}

// copying shows how far a copy is: a bar on a terminal, a line now and then elsewhere.
func (p program) copying(ctx context.Context, w io.Writer, from source) error {
	if f, ok := p.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(p.stderr), progressbar.OptionSetDescription("bytes"),
			progressbar.OptionShowBytes(true), progressbar.OptionShowCount())
		err := from(ctx, io.MultiWriter(w, bar), bar.ChangeMax64)
		p.say("\n")
		return err
	}
	lines := &lineWriter{w: w, say: p.say, last: time.Now()}
	return from(ctx, lines, func(size int64) { lines.of = size })
}

// lineWriter tells now and then how much went through it.
type lineWriter struct {
	w     io.Writer
	say   func(format string, args ...any)
	n, of int64
	last  time.Time
}

// Write implements [io.Writer].
func (l *lineWriter) Write(b []byte) (int, error) {
	n, err := l.w.Write(b)
	l.n += int64(n)
	if time.Since(l.last) >= linesEvery {
		l.last = time.Now()
		l.say("%d of %d bytes\n", l.n, l.of)
	}
	return n, err
}
