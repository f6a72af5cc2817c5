package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/carrel-lms/carrel/fault"
)

const (
	// backupWait is how long a backup may take: a log of 64 GiB, more than it grows to, at 3 MB a second.
	backupWait = 6 * time.Hour
	// backupStall is how long a client may take nothing: what is deleted meanwhile is not used again, and the file grows.
	backupStall = time.Minute
)

// getBackup streams a copy of the changelog as it is at one moment, while the server goes on. Its length is told before, so that one that was
// broken off is known for what it is. There is one at a time: each holds on to space in the file.
func (a *API) getBackup(w http.ResponseWriter, r *http.Request) error {
	if err := operating(r); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="carrel-%s.db"`, a.now().UTC().Format("20060102T150405Z")))
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	if !a.backup.TryLock() {
		return fault.New("api.backup", fault.BackupRunning)
	}
	defer a.backup.Unlock()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := &stream{w: w, control: http.NewResponseController(w), stall: backupStall}
	defer out.end(time.Time{})                   // the connection is used again
	defer context.AfterFunc(a.draining, func() { //nolint:contextcheck // the server ends, not the request
		cancel()
		out.cut()
	})()
	var size int64
	err := a.cfg.Catalog.Log().Backup(ctx, out, func(n int64) {
		size = n
		h.Set("Content-Length", strconv.FormatInt(n, 10))
	})
	if err != nil {
		return err
	}
	c := callOf(r.Context())
	a.log.InfoContext(r.Context(), "api: a backup was taken", slog.String("subject", string(c.actor.Subject)), slog.Int64("bytes", size), slog.String("request", c.id))
	return nil
}

// streamPulse is how often the deadline of a client that takes something, or sends something, moves on: not with each of a million pieces.
const streamPulse = time.Second

// stream writes to a client that may take long over all, but not for one piece.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration // how long the client may take nothing

	mu    sync.Mutex // guards what follows, and the deadline
	moved time.Time
	ended bool
}

// Write implements [io.Writer].
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	if now := time.Now(); !s.ended && now.Sub(s.moved) >= streamPulse {
		s.moved = now
		_ = s.control.SetWriteDeadline(now.Add(s.stall)) // where the writer knows no deadlines there is none to move
	}
	s.mu.Unlock()
	return s.w.Write(p)
}

// cut ends a write that waits, and all later ones.
func (s *stream) cut() { s.end(time.Unix(1, 0)) }

// end sets the last deadline.
func (s *stream) end(deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	_ = s.control.SetWriteDeadline(deadline)
}
