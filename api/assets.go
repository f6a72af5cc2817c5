package api

import (
	"context"
	"encoding/base64"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/files"
)

// manifestAsset is a file of a course as the manifest lists it.
type manifestAsset struct {
	ID        string  `json:"id"`
	Lesson    *string `json:"lesson"` // nil: of the whole course
	Name      string  `json:"name"`
	URL       string  `json:"url"`
	Size      int64   `json:"size"`
	SHA256    string  `json:"sha256"`
	MediaType string  `json:"media_type"`
	Priority  int     `json:"priority"`
}

type manifestBody struct {
	catalog.Manifest
	Assets []manifestAsset `json:"assets"`
}

// getManifest answers what of a course's files a phone fetches, in which order, and how much that is. It has no languages, hence the locale of its tag.
func (a *API) getManifest(w http.ResponseWriter, r *http.Request) error {
	actor := callOf(r.Context()).actor
	var body manifestBody
	err := a.view(r, func(v *catalog.View) (err error) {
		body.Manifest, err = v.Manifest(actor, courseID(r))
		return err
	})
	if err != nil || notModified(w, r, entityTag(body.Version, catalog.AnyLocale)) {
		return err
	}
	body.Assets = make([]manifestAsset, 0, len(body.Manifest.Assets))
	for _, f := range body.Manifest.Assets {
		one := manifestAsset{ID: f.ID, Name: f.Name, URL: f.URL, Size: f.Size, SHA256: f.SHA256, MediaType: f.MediaType, Priority: f.Priority}
		if f.Lesson != "" {
			one.Lesson = &f.Lesson
		}
		body.Assets = append(body.Assets, one)
	}
	return sendJSON(w, http.StatusOK, body)
}

// enter takes a place among what may be under way at once, and returns what gives it back. fault.Overloaded when all are taken.
func enter(places chan struct{}) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		return nil, fault.New("api.files", fault.Overloaded, "retry_after", fileRetry)
	}
}

// fileRetry is what an overloaded caller is told, in seconds: files take longer than other requests.
const fileRetry = 10

// fileTag is the entity tag of a file's bytes.
func fileTag(sha256 string) string { return `"` + sha256 + `"` }

// immutable is how caches keep what an address names by its hash: for a year, which stands for ever. It is the caller's own: access can be lost.
const immutable = "private, max-age=31536000, immutable"

// fileCSP keeps a file that a browser opens from doing anything: no script, no form, and no part of our origin. The rest is what browsers need to show pictures and films.
const fileCSP = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"

// getFile sends a file that Carrel holds, or ranges of it.
func (a *API) getFile(w http.ResponseWriter, r *http.Request) error {
	c := callOf(r.Context())
	var asset catalog.Asset
	err := a.view(r, func(v *catalog.View) (err error) {
		asset, err = v.Asset(c.actor, courseID(r), r.PathValue("asset"))
		return err
	})
	if err != nil {
		return err
	}
	if want := c.query.Get("v"); !asset.Held || want != "" && want != asset.SHA256 {
		return fault.New("api.getFile", fault.NotFound) // the address of what was superseded never gives other bytes
	}
	sum, _ := files.ParseSum(asset.SHA256) // of what is held it is one
	leave, err := enter(a.downloads)
	if err != nil {
		return err
	}
	defer leave()
	if a.cfg.Files == nil {
		return fault.New("api.getFile", fault.FileMissing)
	}
	file, err := a.cfg.Files.Open(sum)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read
	describe(w.Header(), asset, sum, c.query.Has("v"))
	return a.sendFile(w, r, file)
}

// describe sets the headers of a file.
func describe(h http.Header, asset catalog.Asset, sum files.Sum, named bool) {
	h.Set("ETag", fileTag(asset.SHA256))
	h.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
	h.Set("Content-Type", asset.MediaType)
	if strings.HasPrefix(asset.MediaType, "text/") {
		h.Set("Content-Type", asset.MediaType+"; charset=utf-8")
	}
	disposition := "attachment"
	if fileTypes[asset.MediaType] == shown {
		disposition = "inline"
	}
	h.Set("Content-Disposition", mime.FormatMediaType(disposition, map[string]string{"filename": asset.Name}))
	h.Set("Content-Security-Policy", fileCSP)
	if named {
		h.Set("Cache-Control", immutable)
	}
	h.Set(noCompression, "1") // ranges are of the file as it is, and films are dense already
}

// noCompression tells the compressor to let an answer pass; it takes the header away.
const noCompression = gzhttp.HeaderNoCompression

// sendFile leaves ranges and conditions to the standard library, and answers itself what that refuses.
func (a *API) sendFile(w http.ResponseWriter, r *http.Request, file io.ReadSeeker) error {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // the request is read; where the writer knows no deadlines there is none
	out := &fileWriter{ResponseWriter: w, out: stream{w: w, control: control, stall: fileStall}}
	defer out.out.end(time.Time{}) // the connection is used again
	defer context.AfterFunc(a.draining, out.out.cut)()
	http.ServeContent(out, r, "", time.Time{}, file)
	switch out.refused {
	case 0:
		return nil
	case http.StatusPreconditionFailed:
		return fault.New("api.sendFile", fault.LostUpdate)
	case http.StatusRequestedRangeNotSatisfiable:
		return fault.New("api.sendFile", fault.RangeUnsatisfied)
	}
	return fault.New("api.sendFile", fault.Internal)
}

// fileWriter writes a file to a client that may be slow, and holds errors back: they become problems.
type fileWriter struct {
	http.ResponseWriter
	out     stream
	refused int // the status of an error, 0 for none
}

// WriteHeader implements [http.ResponseWriter].
func (f *fileWriter) WriteHeader(status int) {
	if status >= http.StatusBadRequest {
		f.refused = status
		return
	}
	f.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (f *fileWriter) Write(p []byte) (int, error) {
	if f.refused != 0 {
		return len(p), nil
	}
	return f.out.Write(p)
}
