package api

import (
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/files"
)

// shown and saved say what a browser does with a file of a type when somebody opens its address.
const (
	shown = iota + 1
	saved
)

// fileTypes are the media types under which files are served. None of them runs in a browser as the server names it; all others are plain bytes.
var fileTypes = map[string]int{
	"image/png": shown, "image/jpeg": shown, "image/gif": shown, "image/webp": shown, "image/avif": shown,
	"audio/mpeg": shown, "audio/mp4": shown, "audio/aac": shown, "audio/ogg": shown, "audio/webm": shown, "audio/wave": shown, "audio/wav": shown, "audio/flac": shown,
	"video/mp4": shown, "video/webm": shown, "video/ogg": shown, "text/plain": shown,
	"image/svg+xml": saved, "application/pdf": saved, "application/epub+zip": saved, "application/zip": saved, "application/json": saved,
	"text/vtt": saved, "text/csv": saved, "text/markdown": saved,
	"application/msword": saved, "application/vnd.ms-excel": saved, "application/vnd.ms-powerpoint": saved,
	"application/vnd.openxmlformats-officedocument.wordprocessingml.document":   saved,
	"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":         saved,
	"application/vnd.openxmlformats-officedocument.presentationml.presentation": saved,
	"application/vnd.oasis.opendocument.text":                                   saved,
	"application/vnd.oasis.opendocument.spreadsheet":                            saved,
	"application/vnd.oasis.opendocument.presentation":                           saved,
	plainBytes: saved,
}

// plainBytes is the type of a file of which nothing better is known, or allowed.
const plainBytes = "application/octet-stream"

// fileType is the type under which a file will be served: the one that was sent, where that is allowed and says something, else what the first bytes look like.
func fileType(sent string, head []byte) string {
	for _, text := range []string{sent, http.DetectContentType(head)} {
		media, _, err := mime.ParseMediaType(text)
		if err == nil && media != plainBytes && fileTypes[media] != 0 {
			return media
		}
	}
	return plainBytes
}

// putFile takes the file of an asset. Whether the caller may is asked before the first byte is read, and again when all are there.
func (a *API) putFile(w http.ResponseWriter, r *http.Request) error {
	c := callOf(r.Context())
	pre, err := filePreconditionOf(r)
	if err != nil {
		return err
	}
	f := catalog.AssetFile{ID: r.PathValue("asset"), MediaType: plainBytes, SHA256: files.Sum{}.String(), Name: optional(c, "name"), Lesson: optional(c, "lesson")}
	var now, before catalog.Asset
	put := func(tx *catalog.Tx) (err error) {
		if now, before, err = tx.PutAssetFile(courseID(r), f); err != nil {
			return err
		}
		return pre.check(before)
	}
	if err := a.cfg.Catalog.DryRun(r.Context(), c.actor, put); err != nil {
		return err
	}
	got, err := a.receive(w, r)
	if err != nil {
		return err
	}
	defer got.Release() // it is named by then, or will not be
	f.MediaType, f.Size, f.SHA256 = fileType(r.Header.Get("Content-Type"), got.Head), got.Size, got.Sum.String()
	if err := a.update(w, r, put); err != nil {
		return err
	}
	w.Header().Set("ETag", fileTag(now.SHA256))
	status := http.StatusOK
	if before.ID == "" {
		status = http.StatusCreated
	}
	return sendJSON(w, status, now)
}

// optional is a parameter that may be there.
func optional(c *call, name string) *string {
	if !c.query.Has(name) {
		return nil
	}
	value := c.query.Get(name)
	return &value
}

// filePrecondition is what an upload demands of the file that is there: If-Match with its tags, If-None-Match: *.
type filePrecondition struct {
	tags         []string // any of these
	mustExist    bool
	mustNotExist bool
}

func filePreconditionOf(r *http.Request) (p filePrecondition, err error) {
	pre, err := preconditionOf(r)
	if err != nil {
		return p, err
	}
	p.mustExist, p.mustNotExist = pre.mustExist, pre.mustNotExist
	if len(pre.versions) > 0 {
		p.tags, err = entityTags("If-Match", headerList(r, "If-Match"))
	}
	return p, err
}

func (p filePrecondition) check(old catalog.Asset) error {
	match := len(p.tags) == 0 || old.Held && slices.Contains(p.tags, fileTag(old.SHA256))
	if !match || p.mustNotExist && old.Held || p.mustExist && !old.Held {
		return fault.New("api.putFile", fault.LostUpdate)
	}
	return nil
}

// receive takes the body, which is the file itself.
func (a *API) receive(w http.ResponseWriter, r *http.Request) (*files.Received, error) {
	const op = "api.receive"
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case a.cfg.Files == nil:
		return nil, fault.New(op, fault.NotReady)
	case strings.HasPrefix(media, "multipart/"), r.Header.Get("Content-Encoding") != "":
		return nil, fault.New(op, fault.UnsupportedMedia, "want", plainBytes)
	case r.ContentLength > a.limits.File:
		return nil, &http.MaxBytesError{Limit: a.limits.File}
	}
	want, err := digestOf(r)
	if err != nil {
		return nil, err
	}
	leave, err := enter(a.uploads)
	if err != nil {
		return nil, err
	}
	defer leave()
	r.Body = http.MaxBytesReader(w, &patientBody{ReadCloser: r.Body, control: http.NewResponseController(w)}, a.limits.File)
	return a.cfg.Files.Receive(r.Body, want)
}

// maxDigest bounds a field of digests, in bytes: three algorithms take 300.
const maxDigest = 1 << 10

// digestOf reads what the body's SHA-256 must be from Repr-Digest or Content-Digest (RFC 9530), which are the same here; nil when neither says. Other algorithms are
// passed over, as the RFC has it.
func digestOf(r *http.Request) (*files.Sum, error) {
	var want *files.Sum
	for _, name := range []string{"Repr-Digest", "Content-Digest"} {
		text := headerList(r, name)
		bad := badParameter(name, fault.BadValue, "is no digest", "allowed", "sha-256=:<base64>:")
		if len(text) > maxDigest {
			return nil, bad
		}
		for member := range strings.SplitSeq(text, ",") {
			algorithm, value, _ := strings.Cut(strings.TrimSpace(member), "=")
			if !strings.EqualFold(algorithm, "sha-256") {
				continue
			}
			var sum files.Sum
			raw, err := base64.StdEncoding.DecodeString(strings.Trim(value, ":"))
			if err != nil || len(raw) != len(sum) || len(value) < 2 || value[0] != ':' || value[len(value)-1] != ':' {
				return nil, bad
			}
			copy(sum[:], raw)
			if want != nil && *want != sum {
				return nil, bad
			}
			want = &sum
		}
	}
	return want, nil
}

// patientBody reads from a client that may take long over all, but not for one piece.
type patientBody struct {
	io.ReadCloser
	control *http.ResponseController
	moved   time.Time
}

// Read implements [io.Reader].
func (b *patientBody) Read(p []byte) (int, error) {
	if now := time.Now(); now.Sub(b.moved) >= streamPulse {
		b.moved = now
		_ = b.control.SetReadDeadline(now.Add(fileStall)) // where the writer knows no deadlines there is none to move
	}
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		_ = b.control.SetReadDeadline(time.Time{}) // the disk may take its time now: the caller's is over
	case err != nil:
		err = asReadError(err)
	}
	return n, err
}
