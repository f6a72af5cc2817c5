package catalog

import (
	"cmp"
	"context"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// AssetURL is where an asset's bytes are: its URL, or for one that is held the path on this server, with the hash so that it names these bytes for ever. Rows of
// sync, contents, manifests and pages show it, hence it is here and not with the routes.
func AssetURL(course CourseID, a Asset) string {
	if !a.Held {
		return a.URL
	}
	return assetPath(course, a.ID) + "?v=" + a.SHA256
}

func assetPath(course CourseID, id string) string {
	return "/v2/courses/" + url.PathEscape(string(course)) + "/assets/" + url.PathEscape(id) + "/file"
}

// Manifest says what of a course's files to fetch, and in which order: by priority, then the smaller file first, then by id. Priority is the place of the file's
// lesson in the course, and 0 for a file of the whole course: so whoever loses the network has the beginning of the course whole. It depends on the positions
// of one lesson and one module alone, so that a new lesson leaves the rows that phones have of others as they are.
//
// A file whose SHA-256 is in no manifest any more that its owner may read is superseded, and may be deleted.
type Manifest struct {
	Course     CourseID       `json:"course"`
	Version    coursesync.Seq `json:"version"`     // of the content, 0 when nothing was ever written
	TotalBytes int64          `json:"total_bytes"` // of all files; the same bytes in two places count once
	Assets     []Asset        `json:"assets"`
}

// Manifest returns what of a course is to be fetched. Errors as those of [View.Content].
func (v *View) Manifest(actor Actor, id CourseID) (Manifest, error) {
	id, err := v.contentFor(actor, id)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{Course: id, Version: v.contentVersion(id)}
	if m.Assets, err = v.assets(id); err != nil {
		return Manifest{}, err
	}
	slices.SortFunc(m.Assets, func(a, b Asset) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Size, b.Size), strings.Compare(a.ID, b.ID))
	})
	counted := map[string]bool{}
	for _, a := range m.Assets {
		if !counted[a.SHA256] {
			m.TotalBytes += a.Size
		}
		counted[a.SHA256] = true
	}
	return m, nil
}

// assets reads a course's assets, in order of their ids.
func (v *View) assets(id CourseID) ([]Asset, error) {
	list, err := parts[Asset](v, KindAsset, id)
	for i := range list {
		list[i].URL = AssetURL(id, list[i])
	}
	return list, err
}

// Asset returns an asset of a course whose content the actor may read. Errors as those of [View.Content]; fault.NotFound when there is no such asset.
func (v *View) Asset(actor Actor, course CourseID, id string) (Asset, error) {
	course, err := v.contentFor(actor, course)
	if err != nil {
		return Asset{}, err
	}
	s, exists, err := load[Asset](v, KindAsset, partKey(course, nfc(id)))
	if err == nil && !exists {
		err = fault.New("catalog.Asset", fault.NotFound)
	}
	s.Value.URL = AssetURL(course, s.Value)
	return s.Value, err
}

// maxRank bounds each of the two positions in a priority, so that it fits the 32 bits of every client's integers. More lessons than a course may have come before.
const maxRank = 1<<15 - 1

// rankOf is the priority of a lesson's files.
func rankOf(module, lesson int) int { return min(module, maxRank)<<15 + min(lesson, maxRank) + 1 }

// rank gives the assets their priorities.
func (c *Content) rank() {
	modules, ranks := map[string]int{}, map[string]int{}
	for _, m := range c.Modules {
		modules[m.ID] = m.Position
	}
	for _, l := range c.Lessons {
		ranks[l.ID] = rankOf(modules[l.Module], l.Position)
	}
	for i, a := range c.Assets {
		c.Assets[i].Priority = ranks[a.Lesson]
	}
}

// place is where a lesson stands; decoding it is cheaper than decoding the texts.
type place struct {
	ID       string `json:"id"`
	Module   string `json:"module"`
	Position int    `json:"position"`
}

// rank writes the priorities of the files of some lessons of one module anew.
func (w *contentWriter) rank(moved func(place) bool, module int) {
	assets, err := parts[Asset](&w.tx.View, KindAsset, w.course)
	if err != nil || len(assets) == 0 { // most courses, when they are imported row by row
		w.err = cmp.Or(w.err, err)
		return
	}
	places, err := parts[place](&w.tx.View, KindLesson, w.course)
	w.err = cmp.Or(w.err, err)
	ranks := map[string]int{}
	for _, p := range places {
		if moved(p) {
			ranks[p.ID] = rankOf(module, p.Position)
		}
	}
	for _, a := range assets {
		if rank, ok := ranks[a.Lesson]; ok {
			a.Priority = rank
			w.put(KindAsset, a.ID, a)
		}
	}
}

// heldAssets prepares assets that somebody writes: Held says what the log says, not what the writer does. The bytes of a file that is held are known by whoever
// uploaded them; naming their hash proves nothing, so an asset keeps its own file only.
func (p *problems) heldAssets(tx *Tx, course CourseID, list []Asset) ([]Asset, error) {
	if len(list) > maxAssets {
		return list, nil // which is refused
	}
	list = slices.Clone(list)
	for i := range list {
		a := &list[i]
		a.Held = false
		if path, _, _ := strings.Cut(a.URL, "?"); path != assetPath(course, nfc(a.ID)) {
			continue
		}
		old, exists, err := load[Asset](&tx.View, KindAsset, partKey(course, nfc(a.ID)))
		if err != nil {
			return nil, err
		}
		named := clip(a.URL)
		a.Held, a.URL = true, ""
		if !exists || !old.Value.Held {
			p.add(at("/assets", i)+"/url", fault.UnknownRef, "names a file that was not uploaded: "+named, "id", named)
			continue
		}
		a.MediaType, a.Size, a.SHA256 = old.Value.MediaType, old.Value.Size, old.Value.SHA256
	}
	return list, nil
}

// AssetFile is a file that Carrel got to hold, for [Tx.PutAssetFile].
type AssetFile struct {
	ID        string
	Name      *string // nil: as it was, else the id
	Lesson    *string // nil: as it was, else the whole course's, as ""
	MediaType string
	Size      int64
	SHA256    string
}

// PutAssetFile makes a file, which must be kept already, that of an asset; an asset that is not there is made. It returns the asset as it is then, and as it was: without an id
// when it was not there. An editor's only.
func (tx *Tx) PutAssetFile(course CourseID, f AssetFile) (now, before Asset, err error) {
	const op = "catalog.PutAssetFile"
	course = nfc(course)
	if _, err := tx.mayWriteContent(op, course, Actor.Edits); err != nil {
		return now, before, err
	}
	old, exists, err := load[Asset](&tx.View, KindAsset, partKey(course, nfc(f.ID)))
	if err != nil {
		return now, before, err
	}
	a := old.Value
	if !exists {
		a.ID, a.Name = f.ID, f.ID
	}
	if f.Name != nil {
		a.Name = *f.Name
	}
	if f.Lesson != nil {
		a.Lesson = *f.Lesson
	}
	a.Held, a.URL, a.MediaType, a.Size, a.SHA256 = true, "", f.MediaType, f.Size, f.SHA256
	var p problems
	a = p.asset("", a)
	if a.Priority, err = tx.rankIn(&p, course, a.Lesson); err != nil {
		return now, before, err
	}
	if !exists && tx.count(KindAsset, course) >= maxAssets {
		p.add("", fault.TooMany, "the course has as many files as a course may have", "max", maxAssets)
	}
	if err := p.err(op); err != nil {
		return now, before, err
	}
	w := contentWriter{tx: tx, course: course, keep: map[ref]bool{}}
	w.put(KindAsset, a.ID, a)
	_, err = w.done()
	a.URL = AssetURL(course, a)
	return a, old.Value, err
}

// rankIn is the priority of a file of a lesson that is there.
func (tx *Tx) rankIn(p *problems, course CourseID, lesson string) (int, error) {
	if lesson == "" || len(p.fields) > 0 {
		return 0, nil
	}
	l, exists, err := load[place](&tx.View, KindLesson, partKey(course, lesson))
	if err != nil {
		return 0, err
	}
	if !exists {
		p.add("/lesson", fault.UnknownRef, "names no lesson of the course: "+clip(lesson), "id", clip(lesson))
		return 0, nil
	}
	m, _, err := load[place](&tx.View, KindModule, partKey(course, l.Value.Module))
	return rankOf(m.Value.Position, l.Value.Position), err
}

// count counts a course's parts of a kind.
func (tx *Tx) count(kind coursesync.Kind, course CourseID) (n int) {
	for range entities(&tx.View, kind, partKey(course, ""), "") {
		n++
	}
	return n
}

// HeldAsset names a file that Carrel holds, by one asset that has it.
type HeldAsset struct {
	Key    string // course/asset
	SHA256 string
	Size   int64
}

// HeldAssets yields the assets of all courses whose files Carrel holds, in order of their keys. They are read in pieces: each is as it is at some moment meanwhile.
func (c *Catalog) HeldAssets(ctx context.Context) iter.Seq2[HeldAsset, error] {
	return func(yield func(HeldAsset, error) bool) {
		for after, more := "", true; more; {
			var chunk []HeldAsset
			err := c.View(ctx, func(v *View) (err error) {
				chunk, after, more, err = heldChunk(v, after)
				return err
			})
			if err != nil {
				yield(HeldAsset{}, err)
				return
			}
			for _, a := range chunk {
				if !yield(a, nil) {
					return
				}
			}
		}
	}
}

// heldChunk looks at assets after a key, and says where it ended and whether there may be more.
func heldChunk(v *View, after string) (chunk []HeldAsset, last string, more bool, err error) {
	seen := 0
	for ch := range entities(v, KindAsset, "", after) {
		s, err := decode[Asset](ch)
		if err != nil {
			return nil, "", false, err
		}
		if s.Value.Held {
			chunk = append(chunk, HeldAsset{ch.Key, s.Value.SHA256, s.Value.Size})
		}
		if last, seen = ch.Key, seen+1; seen == coursesync.ReadChunk {
			return chunk, last, true, nil
		}
	}
	return chunk, last, false, nil
}
