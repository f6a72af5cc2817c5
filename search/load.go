package search

import (
	"context"
	"encoding/json"

	"golang.org/x/sync/errgroup"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// loaders decode what a start reads: JSON is most of the work, and two keep up with the reading.
const loaders = 2

// loadColumns makes the columns from the catalog. It reads in short transactions, so what it sees is not of one moment: follow on from a place
// before it began, and all is right in the end.
func loadColumns(ctx context.Context, c *catalog.Catalog, d *dicts) (*columns, error) {
	e := newEdit(newColumns(), d)
	err := c.View(ctx, func(v *catalog.View) error {
		p, err := v.Priors()
		e.prior = p.Course
		return err
	})
	if err != nil {
		return nil, err
	}
	steps := []func() error{
		func() error {
			return loadKind(ctx, c, catalog.KindTag, func(key string, t *catalog.Tag) { e.putTag(key, t) })
		},
		func() error {
			return loadKind(ctx, c, catalog.KindCategory, func(key string, t *catalog.Category) { e.putCategory(key, t) })
		},
		func() error {
			return loadKind(ctx, c, catalog.KindInstructor, func(key string, t *catalog.Instructor) { e.putInstructor(key, t) })
		},
		func() error {
			return loadKind(ctx, c, catalog.KindInstructorStats, func(key string, s *catalog.InstructorStats) { e.putInstructorStats(key, *s) })
		},
		func() error {
			return loadKind(ctx, c, catalog.KindSynonym, func(key string, s *catalog.Synonym) { e.putSynonym(key, s) })
		},
		func() error {
			return loadKind(ctx, c, catalog.KindPin, func(key string, p *catalog.Pin) { e.putPin(key, p) })
		},
		func() error {
			return loadKind(ctx, c, catalog.KindCourse, func(_ string, t *catalog.Course) { e.putCourse(t) })
		},
		func() error {
			return loadKind(ctx, c, catalog.KindCourseStats, func(key string, s *catalog.CourseStats) { e.putStats(catalog.CourseID(key), *s) })
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return e.seal(), nil
}

// raw is an entity as the log holds it.
type raw struct {
	key  string
	body []byte
}

// loadKind hands every entity of a kind to put, decoded, in order of key.
func loadKind[T any](ctx context.Context, c *catalog.Catalog, kind coursesync.Kind, put func(key string, value *T)) error {
	for after := ""; ; {
		chunk, err := readChunk(ctx, c, kind, after)
		if err != nil || len(chunk) == 0 {
			return err
		}
		after = chunk[len(chunk)-1].key
		values := make([]T, len(chunk))
		var g errgroup.Group
		part := (len(chunk) + loaders - 1) / loaders
		for from := 0; from < len(chunk); from += part {
			g.Go(func() error {
				for i := from; i < min(from+part, len(chunk)); i++ {
					if err := json.Unmarshal(chunk[i].body, &values[i]); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		for i := range chunk {
			put(chunk[i].key, &values[i])
		}
	}
}

// chunkBytes ends a chunk early: courses may have long texts.
const chunkBytes = 8 << 20

func readChunk(ctx context.Context, c *catalog.Catalog, kind coursesync.Kind, after string) (chunk []raw, err error) {
	err = c.Log().View(ctx, func(v *coursesync.BoltView) error {
		size := 0
		for ch := range v.Entities(kind, "", after) {
			chunk = append(chunk, raw{ch.Key, append([]byte(nil), ch.Body...)})
			if size += len(ch.Body); len(chunk) == coursesync.ReadChunk || size >= chunkBytes {
				break
			}
		}
		return nil
	})
	return chunk, err
}
