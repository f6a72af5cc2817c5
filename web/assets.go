package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/fault"
)

//go:embed static
var staticFiles embed.FS

// hashDigits is how many hexadecimal digits of a file's SHA-256 stand in its name: enough that no two versions of ours ever meet.
const hashDigits = 12

// assets are the static files. Their names hold a hash of what is in them, so that browsers may keep them for ever.
type assets struct {
	byName map[string]asset  // "style.1f2e3d4c5b6a.css", "offline/store.6b5a4f3e2d1c.js"
	named  map[string]string // "style.css" → its address
}

type asset struct {
	media string
	body  []byte
}

var mediaTypes = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// workerSource is the service worker's file. It is served under an address of its own (offline.go), since its address says for which pages it is.
const workerSource = "sw.js"

func loadAssets() (*assets, error) {
	a := &assets{byName: map[string]asset{}, named: map[string]string{}}
	err := fs.WalkDir(staticFiles, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return a.add(strings.TrimPrefix(name, "static/"), nil)
	})
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	return a, nil
}

// imported are the modules beside it that a module imports, at its beginning or when it needs them. Types that a comment imports are none.
var imported = regexp.MustCompile(`(?m)(^import [^"\n]*"|\bawait import\(")\./([\w-]+\.js)"`)

// add takes a file in, after the modules that it imports: their names in it become those with a hash, so that its own hash speaks of them too. within are the
// modules that are being taken in, each imported by the one before.
func (a *assets) add(name string, within []string) error {
	if a.named[name] != "" || name == workerSource {
		return nil
	}
	if slices.Contains(within, name) {
		return fmt.Errorf("modules import each other in a circle: %s", strings.Join(append(within, name), ", "))
	}
	body, err := staticFiles.ReadFile("static/" + name)
	if err != nil {
		return err
	}
	ext := path.Ext(name)
	media, ok := mediaTypes[ext]
	if !ok {
		return fmt.Errorf("no media type for %s", name)
	}
	if ext == ".js" {
		for _, m := range imported.FindAllSubmatch(body, -1) {
			if err := a.add(path.Join(path.Dir(name), string(m[2])), append(within, name)); err != nil {
				return err
			}
		}
		body = imported.ReplaceAllFunc(body, func(text []byte) []byte {
			m := imported.FindSubmatch(text)
			return fmt.Appendf(nil, `%s./%s"`, m[1], path.Base(a.named[path.Join(path.Dir(name), string(m[2]))]))
		})
	}
	sum := sha256.Sum256(body)
	hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:])[:hashDigits] + ext
	a.byName[hashed] = asset{media, body}
	a.named[name] = "/static/" + hashed
	return nil
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
	f, ok := p.files.byName[strings.TrimPrefix(r.URL.Path, "/static/")]
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
