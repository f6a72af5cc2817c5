package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	stdsync "sync"
	"time"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"github.com/carrel-lms/carrel/fault"
)

// idempotencyHeader makes a POST safe to send again.
const idempotencyHeader = "Idempotency-Key"

const (
	// replayTTL is how long an answer is kept, by the contract.
	replayTTL = 24 * time.Hour
	// maxIdempotencyKey bounds a key, in bytes: a UUID has 36.
	maxIdempotencyKey = 255
	// maxReplays bounds the store, in bytes: 25,000 answers of 5 kB. Beyond it the oldest are dropped.
	maxReplays = 128 << 20
	// maxReplayBody is the largest answer that is kept, in bytes: no course is larger. Of a larger one only the head would be kept.
	maxReplayBody = maxDocumentBody
	// replaySweep is how often expired answers are removed.
	replaySweep = 10 * time.Minute
)

var (
	bucketReplays    = []byte("idempotency")      // key → replay
	bucketReplayEnds = []byte("idempotency_ends") // when it was made ‖ key → nothing: finds what to sweep and to drop
)

// replays keeps the answers to POSTs by Idempotency-Key, in local.db.
type replays struct {
	db  *bolt.DB
	now func() time.Time
	max int

	mu      stdsync.Mutex
	running map[string]chan struct{} // keys at work; closed when done
}

// replay is a kept answer.
type replay struct {
	Print  []byte      `json:"print"` // fingerprint of the request
	At     time.Time   `json:"at"`
	Status int         `json:"status"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"body"`
}

func newReplays(db *bolt.DB, now func() time.Time) (*replays, error) {
	err := db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(bucketReplays)
		if err == nil {
			_, err = tx.CreateBucketIfNotExists(bucketReplayEnds)
		}
		return err
	})
	return &replays{db: db, now: now, max: maxReplays, running: map[string]chan struct{}{}}, err
}

// once runs a POST with an Idempotency-Key, or gives the answer that it got before. Only answers that a repetition could not better are
// kept: not those that say to try again, and none of ours at fault.
//
// The answer is stored after the command committed: when the process dies in between, the repetition runs again, and is told
// already-exists where it creates something.
func (a *API) once(rt *route, w http.ResponseWriter, r *http.Request) error {
	c := callOf(r.Context())
	if c.actor.Anonymous() {
		return fault.New("api.once", fault.Unauthorized)
	}
	if rt.upload { // before a file is taken in
		if err := a.importing(r); err != nil {
			return err
		}
	}
	name := r.Header.Get(idempotencyHeader)
	if len(name) > maxIdempotencyKey {
		return badParameter(idempotencyHeader, fault.TooLong, "is too long", "max", maxIdempotencyKey)
	}
	print, done, err := a.fingerprint(rt, w, r)
	if err != nil {
		return err
	}
	defer done()
	sum := sha256.Sum256([]byte(string(c.actor.Subject) + "\x00" + name))
	key := string(sum[:])
	release, err := a.replays.enter(r.Context(), key)
	if err != nil {
		return err
	}
	defer release()
	old, err := a.replays.get(key)
	if err != nil {
		return err
	}
	if old != nil {
		return old.send(w, print)
	}
	rec := &recorder{ResponseWriter: w}
	err = rt.do(rec, r)
	if err != nil {
		if status := statusOf(asFault(err).Code); status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
			return err
		}
		a.answerProblem(rec, r, err)
	}
	return a.keep(r, key, rec, print)
}

// keep stores an answer. It was sent already, so a failure is only logged: the key then does not protect.
func (a *API) keep(r *http.Request, key string, rec *recorder, print []byte) error {
	made := replay{Print: print, At: a.now(), Status: rec.status, Header: rec.kept, Body: rec.body.Bytes()}
	if rec.overflow {
		made.Body = nil
	}
	if err := a.replays.put(key, made); err != nil {
		a.log.WarnContext(r.Context(), "api: an answer could not be kept for its idempotency key", errAttr(err))
	}
	return nil
}

// fingerprint hashes what makes a request the same request, and leaves its body to be read again. An upload goes through a file meanwhile.
func (a *API) fingerprint(rt *route, w http.ResponseWriter, r *http.Request) (sum []byte, done func(), err error) {
	h := sha256.New()
	for _, part := range []string{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Get("Content-Type")} {
		h.Write([]byte(part + "\x00"))
	}
	done = func() {}
	if !rt.upload {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDocumentBody))
		if err != nil {
			return nil, done, asReadError(err)
		}
		h.Write(body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		return h.Sum(nil), done, nil
	}
	f, err := os.CreateTemp("", "carrel-upload-*")
	if err != nil {
		return nil, done, fault.Wrap("api.fingerprint", fault.DiskFull, err)
	}
	done = func() { _ = errors.Join(f.Close(), os.Remove(f.Name())) } // a temporary file
	n, err := io.Copy(io.MultiWriter(f, h), http.MaxBytesReader(w, r.Body, a.limits.Import))
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	r.Body, r.ContentLength = io.NopCloser(f), n
	return h.Sum(nil), done, asReadError(err)
}

// asReadError is an error of reading a body as a fault.
func asReadError(err error) error {
	var tooLarge *http.MaxBytesError
	if err == nil || errors.As(err, &tooLarge) {
		return err
	}
	return fault.Wrap("api.body", fault.InvalidBody, err)
}

// enter waits until nobody else works with a key, and returns what lets the next one in.
func (p *replays) enter(ctx context.Context, key string) (func(), error) {
	ctx, cancel := context.WithTimeout(ctx, replayWait)
	defer cancel()
	for {
		p.mu.Lock()
		busy, taken := p.running[key]
		if !taken {
			mine := make(chan struct{})
			p.running[key] = mine
			p.mu.Unlock()
			return func() {
				p.mu.Lock()
				delete(p.running, key)
				p.mu.Unlock()
				close(mine)
			}, nil
		}
		p.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, fault.Wrap("api.once", fault.Conflict, ctx.Err())
		}
	}
}

func (p *replays) get(key string) (*replay, error) {
	var found *replay
	err := p.db.View(func(tx *bolt.Tx) error {
		text := tx.Bucket(bucketReplays).Get([]byte(key))
		if text == nil {
			return nil
		}
		found = new(replay)
		return json.Unmarshal(text, found)
	})
	if err != nil {
		return nil, fault.Wrap("api.replays", fault.Internal, err)
	}
	if found != nil && p.now().Sub(found.At) >= replayTTL {
		return nil, nil //nolint:nilnil // expired is absent
	}
	return found, nil
}

// put keeps an answer, and drops what is expired or too much. The bucket's own sequence holds the bytes in it: bbolt would have to walk it.
func (p *replays) put(key string, made replay) error {
	text, err := json.Marshal(made)
	if err != nil {
		return err
	}
	return p.db.Update(func(tx *bolt.Tx) error {
		if err := p.sweepIn(tx, len(text)); err != nil {
			return err
		}
		all, ends := tx.Bucket(bucketReplays), tx.Bucket(bucketReplayEnds)
		if err := dropReplay(all, ends, []byte(key)); err != nil {
			return err
		}
		if err := all.Put([]byte(key), text); err != nil {
			return err
		}
		if err := ends.Put(replayEnd(made.At, key), nil); err != nil {
			return err
		}
		return all.SetSequence(all.Sequence() + uint64(len(text)))
	})
}

// sweep drops what has expired.
func (p *replays) sweep() error {
	return p.db.Update(func(tx *bolt.Tx) error { return p.sweepIn(tx, 0) })
}

// sweepBatch bounds the answers that one transaction removes, to keep it short.
const sweepBatch = 1000

// sweepIn drops what has expired, and of the rest the oldest until there is room for so many bytes.
func (p *replays) sweepIn(tx *bolt.Tx, room int) error {
	all, ends := tx.Bucket(bucketReplays), tx.Bucket(bucketReplayEnds)
	expired := replayEnd(p.now().Add(-replayTTL), "")
	for range sweepBatch {
		k, _ := ends.Cursor().First()
		full := all.Sequence()+uint64(room) > uint64(p.max) //nolint:gosec // neither is negative
		if k == nil || !full && bytes.Compare(k, expired) > 0 {
			return nil
		}
		if err := dropReplay(all, ends, bytes.Clone(k[timeBytes:])); err != nil {
			return err
		}
	}
	return nil
}

func dropReplay(all, ends *bolt.Bucket, key []byte) error {
	text := all.Get(key)
	if text == nil {
		return nil
	}
	var old struct {
		At time.Time `json:"at"`
	}
	size := uint64(len(text))
	err := json.Unmarshal(text, &old)
	if err == nil {
		err = ends.Delete(replayEnd(old.At, string(key)))
	}
	return errors.Join(err, all.Delete(key), all.SetSequence(all.Sequence()-min(all.Sequence(), size)))
}

// timeBytes is the length of the time in a key of bucketReplayEnds: big-endian, so that keys sort by it.
const timeBytes = 8

func replayEnd(at time.Time, key string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(max(at.UnixNano(), 0))), key...)
}

// send gives a kept answer again, unless the request is another one than it was for.
func (old *replay) send(w http.ResponseWriter, print []byte) error {
	if !bytes.Equal(old.Print, print) {
		return fault.New("api.once", fault.IdempotencyReused)
	}
	maps.Copy(w.Header(), old.Header)
	w.Header().Set("Idempotency-Replayed", "true")
	w.WriteHeader(old.Status)
	_, err := w.Write(old.Body)
	return goneAway(err)
}

// keptHeaders are those of an answer that belong to it, and not to the moment.
var keptHeaders = []string{"Content-Type", "Content-Language", "Location", "Etag", asOfHeader, "Www-Authenticate"}

// recorder sends an answer and keeps a copy.
type recorder struct {
	http.ResponseWriter
	status   int
	kept     http.Header
	body     bytes.Buffer
	overflow bool
}

// WriteHeader implements [http.ResponseWriter].
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.kept = status, http.Header{}
		for _, name := range keptHeaders {
			if v := w.Header().Values(name); len(v) > 0 {
				w.kept[name] = v
			}
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.body.Len()+len(p) > maxReplayBody {
		w.overflow = true
	} else {
		w.body.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap serves [http.ResponseController].
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Run sweeps kept answers that have expired, and tells those who listen of news, until ctx ends.
func (a *API) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.hub.Run(ctx) })
	g.Go(func() error { return a.sweep(ctx) })
	return g.Wait()
}

func (a *API) sweep(ctx context.Context) error {
	tick := time.NewTicker(replaySweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := a.replays.sweep(); err != nil {
				a.log.WarnContext(ctx, "api: kept answers could not be swept", errAttr(err))
			}
		}
	}
}
