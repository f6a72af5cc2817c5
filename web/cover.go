package web

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// A cover is drawn: the category gives its colors and pattern, the course its variation. It holds no words, so that it is the same in every
// language. Same course, same category: same cover.

// The size of a cover's drawing. Pages scale it.
const (
	coverWidth  = 320.0
	coverHeight = 200.0
)

func (p *pages) cover(w http.ResponseWriter, r *http.Request) error {
	v := visitOf(r.Context())
	id, ok := strings.CutSuffix(r.PathValue("file"), ".svg")
	if !ok {
		return fault.New("web.cover", fault.NotFound)
	}
	var course catalog.Course
	err := p.cfg.Catalog.View(r.Context(), func(view *catalog.View) error {
		s, err := view.CourseFor(v.actor, catalog.CourseID(id))
		course = s.Value
		return err
	})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Cache-Control", "private, max-age=604800") // its address changes with the course
	_, err = w.Write([]byte(drawCover(string(course.Category), string(course.ID)+course.Title)))
	return ignoreGone(err)
}

// pencil draws one cover.
type pencil struct {
	strings.Builder
	rnd *rand.Rand
	hue float64 // of the category, in degrees
}

// drawCover returns the SVG of a cover.
func drawCover(category, title string) string {
	kind, seed := hash64(category), hash64(title)
	p := &pencil{rnd: rand.New(rand.NewPCG(kind, seed))} //nolint:gosec // a drawing
	const goldenAngle = 137.508                          // neighbors in the list of hashes get hues far apart
	p.hue = math.Mod(float64(kind%360)*goldenAngle, 360)
	fmt.Fprintf(p, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" preserveAspectRatio="xMidYMid slice">`, coverWidth, coverHeight)
	fmt.Fprintf(p, `<rect width="%g" height="%g" fill="%s"/>`, coverWidth, coverHeight, p.color(0, 0.44, 0.30))
	patterns := []func(*pencil){(*pencil).arcs, (*pencil).waves, (*pencil).tiles, (*pencil).bars, (*pencil).hills, (*pencil).dots, (*pencil).rays}
	patterns[kind/360%uint64(len(patterns))](p)
	p.WriteString(`</svg>`)
	return p.String()
}

func hash64(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	x := h.Sum64()
	x ^= x >> 33 // the low bits of FNV of short words are alike
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

// color is a color of the category: its hue turned by some degrees, with saturation and lightness from 0 to 1.
func (p *pencil) color(turn, saturation, lightness float64) string {
	return fmt.Sprintf("hsl(%.0f %.0f%% %.0f%%)", math.Mod(p.hue+turn+360, 360), saturation*100, lightness*100)
}

// tone picks one of the tones that a cover is made of, from dark to light; the last is the warm one that stands out.
func (p *pencil) tone(i int) string {
	switch i % 5 {
	case 0:
		return p.color(0, 0.42, 0.38)
	case 1:
		return p.color(12, 0.40, 0.48)
	case 2:
		return p.color(-14, 0.38, 0.60)
	case 3:
		return p.color(6, 0.45, 0.76)
	}
	return "hsl(42 68% 66%)"
}

func (p *pencil) between(low, high float64) float64 { return low + p.rnd.Float64()*(high-low) }

// arcs are rings around one or two corners.
func (p *pencil) arcs() {
	cx, cy := p.between(0.1, 0.9)*coverWidth, coverHeight*float64(p.rnd.IntN(2))
	for i := range 6 {
		r := 210 - float64(i)*34
		fmt.Fprintf(p, `<circle cx="%.0f" cy="%.0f" r="%.0f" fill="%s"/>`, cx, cy, r, p.tone(i%4))
	}
	fmt.Fprintf(p, `<circle cx="%.0f" cy="%.0f" r="%.0f" fill="%s"/>`, p.between(30, 290), p.between(40, 160), p.between(10, 20), p.tone(4))
}

// waves are layers of water.
func (p *pencil) waves() {
	fmt.Fprintf(p, `<circle cx="%.0f" cy="%.0f" r="%.0f" fill="%s"/>`, p.between(50, 270), p.between(36, 70), p.between(16, 28), p.tone(4))
	for i := range 4 {
		y, lift := 70+float64(i)*36, p.between(14, 34)
		shift := p.between(-90, 0)
		fmt.Fprintf(p, `<path d="M%.0f %.0f q60 %.0f 120 0 t120 0 t120 0 t120 0 V200 H%.0f Z" fill="%s"/>`, shift, y, -lift, shift, p.tone(3-i))
	}
}

// tiles are quarter circles in a grid.
func (p *pencil) tiles() {
	const side = 40.0
	for y := 0.0; y < coverHeight; y += side {
		for x := 0.0; x < coverWidth; x += side {
			if p.rnd.IntN(4) == 0 {
				continue
			}
			tone := p.rnd.IntN(4)
			if p.rnd.IntN(14) == 0 {
				tone = 4
			}
			corner := p.rnd.IntN(4)
			cx, cy := x+side*float64(corner%2), y+side*float64(corner/2)
			dx, dy := side*float64(1-2*(corner%2)), side*float64(1-2*(corner/2))
			sweep := 0
			if (dx > 0) != (dy > 0) {
				sweep = 1
			}
			fmt.Fprintf(p, `<path d="M%.0f %.0f h%.0f A%g %g 0 0 %d %.0f %.0f Z" fill="%s"/>`, cx, cy, dx, side, side, 1-sweep, cx, cy+dy, p.tone(tone))
		}
	}
}

// bars are columns of different height.
func (p *pencil) bars() {
	const width, gap = 26.0, 6.0
	warm := p.rnd.IntN(10)
	for i := range 10 {
		h := p.between(30, 170)
		tone := p.rnd.IntN(4)
		if i == warm {
			tone = 4
		}
		fmt.Fprintf(p, `<rect x="%.0f" y="%.0f" width="%g" height="%.0f" rx="3" fill="%s"/>`, 3+float64(i)*(width+gap), coverHeight-h, width, h, p.tone(tone))
	}
}

// hills are triangles one behind the other, with a sun.
func (p *pencil) hills() {
	fmt.Fprintf(p, `<circle cx="%.0f" cy="%.0f" r="%.0f" fill="%s"/>`, p.between(60, 260), p.between(40, 80), p.between(18, 30), p.tone(4))
	for i := range 5 {
		x, top := p.between(-40, 300), 50+float64(i)*26
		half := p.between(90, 170)
		fmt.Fprintf(p, `<path d="M%.0f 200 L%.0f %.0f L%.0f 200 Z" fill="%s"/>`, x-half, x, top, x+half, p.tone(3-min(i, 3)))
	}
}

// dots are a field of points that grow.
func (p *pencil) dots() {
	fx, fy := p.between(0.05, 0.2), p.between(0.05, 0.2)
	warm := p.rnd.IntN(60)
	for row := range 6 {
		for col := range 10 {
			size := 8 + 7*math.Sin(float64(col)*fx*10+float64(row)*fy*14)
			tone := (row + col/2) % 4
			if row*10+col == warm {
				tone, size = 4, 15
			}
			fmt.Fprintf(p, `<circle cx="%d" cy="%d" r="%.1f" fill="%s"/>`, 16+col*32, 17+row*33, max(size, 2), p.tone(tone))
		}
	}
}

// rays leave one point in all directions.
func (p *pencil) rays() {
	cx, cy := p.between(0.2, 0.8)*coverWidth, p.between(0.7, 1.1)*coverHeight
	const count, reach = 24, 420.0
	turn := p.between(0, 1)
	for i := range count {
		if i%2 == 1 {
			continue
		}
		a, b := 2*math.Pi*(float64(i)+turn)/count, 2*math.Pi*(float64(i)+1+turn)/count
		fmt.Fprintf(p, `<path d="M%.0f %.0f L%.0f %.0f L%.0f %.0f Z" fill="%s"/>`,
			cx, cy, cx+reach*math.Cos(a), cy+reach*math.Sin(a), cx+reach*math.Cos(b), cy+reach*math.Sin(b), p.tone(i/2%4))
	}
	fmt.Fprintf(p, `<circle cx="%.0f" cy="%.0f" r="%.0f" fill="%s"/>`, cx, cy, p.between(24, 44), p.tone(4))
}
