package main

import (
	"context"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
)

// peerCourse is a course as the peers get it: the same texts and the same six facets, without what Carrel finds beyond them (labels of tags and
// categories, names of people and providers).
type peerCourse struct {
	id                                 string
	title                              string
	texts                              map[catalog.Locale]string
	rating                             *float64
	category, level, language, company string
	tags, people                       []string
}

// courses reads the catalog for the peers.
func (s *site) courses(ctx context.Context, each func(peerCourse) error) error {
	for c, err := range s.catalog.Courses(ctx) {
		if err != nil {
			return err
		}
		var card catalog.Card
		err := s.catalog.View(ctx, func(v *catalog.View) (err error) {
			card, err = v.Card(c, catalog.English)
			return err
		})
		if err != nil {
			return err
		}
		v := c.Value
		p := peerCourse{
			id: string(v.ID), title: v.Title, texts: map[catalog.Locale]string{v.Language: joined(v.Text)}, category: string(v.Category), level: string(v.Level),
			language: string(v.Language), company: v.Provider, rating: card.Rating,
		}
		for l, t := range v.Translations {
			p.texts[l] = joined(t)
		}
		for _, t := range v.Tags {
			p.tags = append(p.tags, string(t))
		}
		for _, i := range v.Instructors {
			p.people = append(p.people, string(i))
		}
		if err := each(p); err != nil {
			return err
		}
	}
	return nil
}

func joined(t catalog.Text) string {
	return strings.Join([]string{t.Title, t.Summary, t.Description}, "\n")
}
