package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/carrel-lms/carrel/fault"
)

//go:embed static
var staticFiles embed.FS

// hashDigits is how many hexadecimal digits of a file's SHA-256 stand in its name: enough that no two versions of ours ever meet.
const hashDigits = 12

// assets are the static files. Their names hold a hash of what is in them, so that browsers may keep them for ever.
type assets struct {
	byName map[string]asset  // "style.1f2e3d4c5b6a.css"
	named  map[string]string // "style.css" → its address
}

type asset struct {
	media string
	body  []byte
}

var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

func loadAssets() (*assets, error) {
	a := &assets{byName: map[string]asset{}, named: map[string]string{}}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	for _, e := range entries {
		body, err := staticFiles.ReadFile(path.Join("static", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		ext := path.Ext(e.Name())
		media, ok := mediaTypes[ext]
		if !ok {
			return nil, fmt.Errorf("web: no media type for %s", e.Name())
		}
		sum := sha256.Sum256(body)
		name := strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:])[:hashDigits] + ext
		a.byName[name] = asset{media, body}
		a.named[e.Name()] = "/static/" + name
	}
	return a, nil
}

// url returns the address of a static file, for templates.
func (a *assets) url(name string) (string, error) {
	if u, ok := a.named[name]; ok {
		return u, nil
	}
	return "", fmt.Errorf("web: there is no static file %q", name)
}

// immutable is for what never changes under its address: a year, the most that caches honor.
const immutable = "public, max-age=31536000, immutable"

func (p *pages) static(w http.ResponseWriter, r *http.Request) error {
	f, ok := p.files.byName[r.PathValue("file")]
	if !ok {
		return fault.New("web.static", fault.NotFound)
	}
	w.Header().Set("Content-Type", f.media)
	w.Header().Set("Cache-Control", immutable)
	_, err := w.Write(f.body)
	return ignoreGone(err)
}

// favicon answers the addresses that browsers ask for unasked, which have no hash.
func (p *pages) favicon(w http.ResponseWriter, _ *http.Request) error {
	f := p.files.byName[path.Base(p.files.named["favicon.svg"])]
	w.Header().Set("Content-Type", f.media)
	w.Header().Set("Cache-Control", "public, max-age=86400")
	_, err := w.Write(f.body)
	return ignoreGone(err)
}

// ignoreGone drops an error of writing: whoever asked has gone, and there is nobody left to tell.
func ignoreGone(error) error { return nil }
