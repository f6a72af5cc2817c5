package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
)

// The synthetic catalog: titles of 7 words, descriptions of 60, drawn from 20,000 terms by Zipf's law, 4 tags of 200, and six facets.
const (
	terms            = 20_000
	titleWords       = 7
	descriptionWords = 60
	tagCount         = 200
	tagsACourse      = 4
	zipfExponent     = 1.1
)

// writer of synthetic courses; the same seed makes the same catalog.
type synthetic struct {
	rng  *rand.Rand
	zipf *rand.Zipf
	en   []string
	fr   []string
	zh   []string
}

func newSynthetic() *synthetic {
	rng := rand.New(rand.NewPCG(7, 11)) //nolint:gosec // not a secret
	s := &synthetic{rng: rng, zipf: rand.NewZipf(rng, zipfExponent, 1, terms-1)}
	s.en, s.fr, s.zh = make([]string, terms), make([]string, terms), make([]string, terms)
	for i := range terms {
		s.en[i], s.fr[i] = syllables(rng, "bcdfglmnprst", "aeiou"), syllables(rng, "bcdfgjlmnprstv", "aeiouéè")
		s.zh[i] = string([]rune{rune(0x4e00 + rng.IntN(3000)), rune(0x4e00 + rng.IntN(3000))})
	}
	return s
}

func syllables(rng *rand.Rand, consonants, vowels string) string {
	c, v := []rune(consonants), []rune(vowels)
	var b strings.Builder
	for range 2 + rng.IntN(3) {
		b.WriteRune(c[rng.IntN(len(c))])
		b.WriteRune(v[rng.IntN(len(v))])
	}
	b.WriteRune(c[rng.IntN(len(c))])
	return b.String()
}

func (s *synthetic) text(words []string, n int, sep string) string {
	picked := make([]string, n)
	for i := range picked {
		picked[i] = words[s.zipf.Uint64()]
	}
	return strings.Join(picked, sep)
}

// course is one synthetic course.
type course struct {
	id, title, description, level, language, provider, instructor, category string
	tags                                                                    []string
	rating                                                                  float64
	ratings, minutes                                                        int
	titleFR, descriptionFR, titleZH, descriptionZH                          string
}

func (s *synthetic) course(i int, three bool) course {
	c := course{
		id: fmt.Sprintf("S%06d", i), title: s.text(s.en, titleWords, " "), description: s.text(s.en, descriptionWords, " "),
		level: []string{"all", "beginner", "intermediate", "advanced"}[s.rng.IntN(4)], language: "en",
		provider: fmt.Sprintf("Provider %d", s.rng.IntN(50)), instructor: fmt.Sprintf("Teacher %d", s.rng.IntN(2000)),
		category: fmt.Sprintf("category-%d", s.rng.IntN(30)), rating: 2.5 + 2.5*s.rng.Float64(), ratings: s.rng.IntN(500), minutes: 30 + s.rng.IntN(2000),
	}
	for len(c.tags) < tagsACourse {
		c.tags = append(c.tags, fmt.Sprintf("tag-%d", s.rng.IntN(tagCount)))
	}
	if three {
		c.titleFR, c.descriptionFR = s.text(s.fr, titleWords, " "), s.text(s.fr, descriptionWords, " ")
		c.titleZH, c.descriptionZH = s.text(s.zh, titleWords, ""), s.text(s.zh, descriptionWords, "")
	}
	return c
}

// writeCSV writes n courses in canonical columns, in one language or three.
func writeCSV(w io.Writer, n int, three bool) error {
	out := csv.NewWriter(w)
	header := []string{"id", "title", "description", "language", "tags", "category", "level", "instructors", "provider", "rating", "rating_count", "duration_minutes"}
	if three {
		header = append(header, "title@fr", "description@fr", "title@zh-Hans", "description@zh-Hans")
	}
	_ = out.Write(header) // Error says it
	s := newSynthetic()
	for i := range n {
		c := s.course(i, three)
		row := []string{
			c.id, c.title, c.description, c.language, strings.Join(c.tags, "|"), c.category, c.level, c.instructor, c.provider,
			fmt.Sprintf("%.2f", c.rating), fmt.Sprint(c.ratings), fmt.Sprint(c.minutes),
		}
		if three {
			row = append(row, c.titleFR, c.descriptionFR, c.titleZH, c.descriptionZH)
		}
		_ = out.Write(row)
	}
	out.Flush()
	return out.Error()
}
