package api

import (
	"maps"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

func notFound(op string) error { return fault.New(op, fault.NotFound) }

func mustBeSomebody(tx *catalog.Tx) error {
	if tx.Actor().Anonymous() {
		return fault.New("api.write", fault.Unauthorized)
	}
	return nil
}

// entityMeta is what the catalog decides of an instructor, tag and their like: shown, and ignored in what is written.
type entityMeta struct {
	Org *catalog.OrgID `json:"org"`
	versioned
}

func metaOf[T any](id string, s catalog.Stored[T]) entityMeta {
	m := entityMeta{versioned: versionOf(s)}
	if org := catalog.OrgOf(id); org != "" {
		m.Org = &org
	}
	return m
}

// readOnlyMeta is entityMeta in a document that is written.
type readOnlyMeta struct {
	Org       readOnly `json:"org,omitzero"`
	Version   readOnly `json:"version,omitzero"`
	UpdatedAt readOnly `json:"updated_at,omitzero"`
}

type instructorBody struct {
	ID          string                    `json:"id,omitempty"`
	Name        string                    `json:"name"`
	Bio         map[catalog.Locale]string `json:"bio,omitempty"`
	ImageURL    string                    `json:"image_url,omitempty"`
	URL         string                    `json:"url,omitempty"`
	Rating      readOnly                  `json:"rating,omitzero"`
	RatingCount readOnly                  `json:"rating_count,omitzero"`
	readOnlyMeta
}

type instructorView struct {
	ID          catalog.InstructorID      `json:"id"`
	Name        string                    `json:"name"`
	Bio         map[catalog.Locale]string `json:"bio"`
	ImageURL    *string                   `json:"image_url"`
	URL         *string                   `json:"url"`
	Rating      *float64                  `json:"rating"`
	RatingCount int                       `json:"rating_count"`
	entityMeta
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// orEmptyMap keeps null out of documents where an object belongs.
func orEmptyMap[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

func (a *API) instructors() entities[catalog.Instructor, instructorBody] {
	type stored = catalog.Stored[catalog.Instructor]
	return entities[catalog.Instructor, instructorBody]{
		api:   a,
		rated: true,
		list:  a.cfg.Catalog.ListInstructors,
		seen: func(v *catalog.View, actor catalog.Actor, id string) (stored, error) {
			return v.InstructorFor(actor, catalog.InstructorID(id))
		},
		stored: func(v *catalog.View, id string) (stored, bool, error) { return v.Instructor(catalog.InstructorID(id)) },
		put:    (*catalog.Tx).PutInstructor,
		del: func(tx *catalog.Tx, id string, cond catalog.Cond) error {
			return tx.DeleteInstructor(catalog.InstructorID(id), cond)
		},
		make: func(id string, b instructorBody) (catalog.Instructor, error) {
			return catalog.Instructor{ID: catalog.InstructorID(id), Name: b.Name, Bio: b.Bio, ImageURL: b.ImageURL, URL: b.URL}, sameID(b.ID, id)
		},
		body: func(i catalog.Instructor) instructorBody {
			return instructorBody{Name: i.Name, Bio: i.Bio, ImageURL: i.ImageURL, URL: i.URL}
		},
		show: func(v *catalog.View, s stored) (any, error) {
			stats, _, err := v.InstructorStats(s.Value.ID)
			return instructorView{
				ID: s.Value.ID, Name: s.Value.Name, Bio: orEmptyMap(s.Value.Bio), ImageURL: orNil(s.Value.ImageURL), URL: orNil(s.Value.URL),
				Rating: stats.Rating, RatingCount: stats.Total.N, entityMeta: metaOf(string(s.Value.ID), s),
			}, err
		},
	}
}

type tagBody struct {
	ID       string                      `json:"id,omitempty"`
	Label    map[catalog.Locale]string   `json:"label"`
	Synonyms map[catalog.Locale][]string `json:"synonyms,omitempty"`
	readOnlyMeta
}

type tagView struct {
	ID       catalog.TagID               `json:"id"`
	Label    map[catalog.Locale]string   `json:"label"`
	Synonyms map[catalog.Locale][]string `json:"synonyms"`
	entityMeta
}

func (a *API) tags() entities[catalog.Tag, tagBody] {
	type stored = catalog.Stored[catalog.Tag]
	return entities[catalog.Tag, tagBody]{
		api:  a,
		list: a.cfg.Catalog.ListTags,
		seen: func(v *catalog.View, actor catalog.Actor, id string) (stored, error) {
			return v.TagFor(actor, catalog.TagID(id))
		},
		stored: func(v *catalog.View, id string) (stored, bool, error) { return v.Tag(catalog.TagID(id)) },
		put:    (*catalog.Tx).PutTag,
		del:    func(tx *catalog.Tx, id string, cond catalog.Cond) error { return tx.DeleteTag(catalog.TagID(id), cond) },
		make: func(id string, b tagBody) (catalog.Tag, error) {
			return catalog.Tag{ID: catalog.TagID(id), Label: b.Label, Synonyms: b.Synonyms}, sameID(b.ID, id)
		},
		body: func(t catalog.Tag) tagBody { return tagBody{Label: t.Label, Synonyms: t.Synonyms} },
		show: func(_ *catalog.View, s stored) (any, error) {
			return tagView{
				ID: s.Value.ID, Label: orEmptyMap(s.Value.Label), Synonyms: orEmptyMap(s.Value.Synonyms), entityMeta: metaOf(string(s.Value.ID), s),
			}, nil
		},
	}
}

type categoryBody struct {
	ID     string                    `json:"id,omitempty"`
	Label  map[catalog.Locale]string `json:"label"`
	Parent catalog.CategoryID        `json:"parent,omitempty"`
	readOnlyMeta
}

type categoryView struct {
	ID     catalog.CategoryID        `json:"id"`
	Label  map[catalog.Locale]string `json:"label"`
	Parent *string                   `json:"parent"`
	entityMeta
}

func (a *API) categories() entities[catalog.Category, categoryBody] {
	type stored = catalog.Stored[catalog.Category]
	return entities[catalog.Category, categoryBody]{
		api:  a,
		list: a.cfg.Catalog.ListCategories,
		seen: func(v *catalog.View, actor catalog.Actor, id string) (stored, error) {
			return v.CategoryFor(actor, catalog.CategoryID(id))
		},
		stored: func(v *catalog.View, id string) (stored, bool, error) { return v.Category(catalog.CategoryID(id)) },
		put:    (*catalog.Tx).PutCategory,
		del: func(tx *catalog.Tx, id string, cond catalog.Cond) error {
			return tx.DeleteCategory(catalog.CategoryID(id), cond)
		},
		make: func(id string, b categoryBody) (catalog.Category, error) {
			return catalog.Category{ID: catalog.CategoryID(id), Label: b.Label, Parent: b.Parent}, sameID(b.ID, id)
		},
		body: func(c catalog.Category) categoryBody { return categoryBody{Label: c.Label, Parent: c.Parent} },
		show: func(_ *catalog.View, s stored) (any, error) {
			return categoryView{
				ID: s.Value.ID, Label: orEmptyMap(s.Value.Label), Parent: orNil(string(s.Value.Parent)), entityMeta: metaOf(string(s.Value.ID), s),
			}, nil
		},
	}
}
