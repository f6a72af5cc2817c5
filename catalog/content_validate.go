package catalog

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/carrel-lms/carrel/fault"
)

// MaxAssetSize bounds a file of a course, in bytes: a long film in good quality.
const MaxAssetSize = 16 << 30

// The limits of a course's content. All parts, and those that they replace, fit one batch of the log.
const (
	maxModules    = 500             // the largest real cartridge seen has 40
	maxLessons    = 3_000           //
	maxAssets     = 3_000           //
	maxLessonBody = 1 << 20         // bytes of HTML in one language: sync.MaxBody takes three of them
	maxLessonAll  = 3<<20 + 512<<10 // bytes of HTML in all languages; the rest of sync.MaxBody is for escapes and titles
	maxPosition   = math.MaxInt32   // fits the integers of every client
	maxMediaType  = 127             // RFC 6838: twice 63 and the stroke
)

var (
	mediaType = regexp.MustCompile(`^[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*$`)
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// content checks all parts of a course and how they hang together.
func (p *problems) content(c Content) Content {
	if p.tooMany("/modules", len(c.Modules), maxModules) || p.tooMany("/lessons", len(c.Lessons), maxLessons) ||
		p.tooMany("/assets", len(c.Assets), maxAssets) {
		return c
	}
	out := Content{Modules: make([]Module, len(c.Modules)), Lessons: make([]Lesson, len(c.Lessons)), Assets: make([]Asset, len(c.Assets))}
	modules, lessons, assets := idSet{}, idSet{}, idSet{}
	for i, m := range c.Modules {
		out.Modules[i] = p.module(at("/modules", i), m)
		modules.add(p, at("/modules", i), out.Modules[i].ID)
	}
	for i, l := range c.Lessons {
		out.Lessons[i] = p.lesson(at("/lessons", i), l)
		lessons.add(p, at("/lessons", i), out.Lessons[i].ID)
		modules.want(p, at("/lessons", i)+"/module", out.Lessons[i].Module)
	}
	for i, a := range c.Assets {
		out.Assets[i] = p.asset(at("/assets", i), a)
		assets.add(p, at("/assets", i), out.Assets[i].ID)
		if a.Lesson != "" {
			lessons.want(p, at("/assets", i)+"/lesson", out.Assets[i].Lesson)
		}
	}
	out.number()
	out.rank()
	return out
}

// number gives positions to parts that came without any.
func (c *Content) number() {
	numbered := false
	for _, m := range c.Modules {
		numbered = numbered || m.Position != 0
	}
	for i := range c.Modules {
		if !numbered {
			c.Modules[i].Position = i
		}
	}
	numbered = false
	for _, l := range c.Lessons {
		numbered = numbered || l.Position != 0
	}
	for i := range c.Lessons {
		if !numbered {
			c.Lessons[i].Position = i
		}
	}
}

// idSet finds ids that come twice or not at all.
type idSet map[string]bool

func (s idSet) add(p *problems, pointer, id string) {
	if s[id] {
		p.add(pointer+"/id", fault.Duplicate, "is there twice")
	}
	s[id] = true
}

func (s idSet) want(p *problems, pointer, id string) {
	if !s[id] {
		p.add(pointer, fault.UnknownRef, "names nothing in this content: "+clip(id), "id", clip(id))
	}
}

func (p *problems) module(pointer string, m Module) Module {
	m.ID = nfc(m.ID)
	p.id(pointer+"/id", m.ID)
	p.between(pointer+"/position", m.Position, 0, maxPosition)
	m.Title = p.titles(pointer+"/title", m.Title)
	return m
}

func (p *problems) lesson(pointer string, l Lesson) Lesson {
	l.ID, l.Module = nfc(l.ID), nfc(l.Module)
	p.id(pointer+"/id", l.ID)
	p.between(pointer+"/position", l.Position, 0, maxPosition)
	p.between(pointer+"/duration_minutes", l.DurationMinutes, 0, MaxDuration)
	l.Title = p.titles(pointer+"/title", l.Title)
	all := 0
	l.Body = localized(p, pointer+"/body", l.Body, func(where, s string) (string, bool) {
		s = p.html(where, s, maxLessonBody)
		all += len(s)
		return s, s != ""
	})
	if all > maxLessonAll {
		p.add(pointer+"/body", fault.TooLong, fmt.Sprintf("has more than %d bytes in all languages", maxLessonAll), "max", maxLessonAll)
	}
	return l
}

func (p *problems) titles(pointer string, m map[Locale]string) map[Locale]string {
	bad := len(p.fields)
	m = p.lines(pointer, m, maxTitle)
	if len(m) == 0 && len(p.fields) == bad {
		p.add(pointer, fault.Required, "is required in at least one language")
	}
	return m
}

func (p *problems) asset(pointer string, a Asset) Asset {
	a.ID, a.Lesson = nfc(a.ID), nfc(a.Lesson)
	p.id(pointer+"/id", a.ID)
	a.Name = p.line(pointer+"/name", a.Name, maxLine)
	p.required(pointer+"/name", a.Name)
	if !a.Held {
		p.required(pointer+"/url", a.URL)
		a.URL = p.url(pointer+"/url", a.URL)
	}
	a.MediaType = strings.ToLower(strings.TrimSpace(a.MediaType))
	if len(a.MediaType) > maxMediaType || !mediaType.MatchString(a.MediaType) {
		p.add(pointer+"/media_type", fault.BadValue, "is no media type", "allowed", "video/mp4, application/pdf …")
	}
	if a.Size < 0 || a.Size > MaxAssetSize {
		p.add(pointer+"/size", fault.OutOfRange, "is no possible size", "min", 0, "max", int64(MaxAssetSize))
	}
	a.SHA256 = strings.ToLower(a.SHA256)
	if !sha256Hex.MatchString(a.SHA256) {
		p.add(pointer+"/sha256", fault.BadValue, "is not 64 hexadecimal digits", "allowed", "64 × 0-9 a-f")
	}
	return a
}
