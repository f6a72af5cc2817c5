package api

import (
	"net/http"
	"slices"

	"github.com/carrel-lms/carrel/catalog"
)

// Curation: what editors tell search. It is read by those who may write it, and by the staff.

type synonymBody struct {
	ID       string         `json:"id,omitempty"`
	Language catalog.Locale `json:"language,omitempty"`
	From     []string       `json:"from"`
	To       []string       `json:"to"`
	TwoWay   bool           `json:"two_way,omitempty"`
	readOnlyMeta
}

type synonymView struct {
	ID       catalog.SynonymID `json:"id"`
	Language *string           `json:"language"`
	From     []string          `json:"from"`
	To       []string          `json:"to"`
	TwoWay   bool              `json:"two_way"`
	entityMeta
}

func (a *API) synonyms() entities[catalog.Synonym, synonymBody] {
	type stored = catalog.Stored[catalog.Synonym]
	return entities[catalog.Synonym, synonymBody]{
		api:  a,
		list: a.cfg.Catalog.ListSynonyms,
		seen: func(v *catalog.View, actor catalog.Actor, id string) (stored, error) {
			return v.SynonymFor(actor, catalog.SynonymID(id))
		},
		stored: func(v *catalog.View, id string) (stored, bool, error) { return v.Synonym(catalog.SynonymID(id)) },
		put:    (*catalog.Tx).PutSynonym,
		del: func(tx *catalog.Tx, id string, cond catalog.Cond) error {
			return tx.DeleteSynonym(catalog.SynonymID(id), cond)
		},
		make: func(id string, b synonymBody) (catalog.Synonym, error) {
			return catalog.Synonym{ID: catalog.SynonymID(id), Language: b.Language, From: b.From, To: b.To, TwoWay: b.TwoWay}, sameID(b.ID, id)
		},
		show: func(_ *catalog.View, s stored) (any, error) {
			return synonymView{
				ID: s.Value.ID, Language: orNil(string(s.Value.Language)), From: orEmpty(s.Value.From), To: orEmpty(s.Value.To),
				TwoWay: s.Value.TwoWay, entityMeta: metaOf(string(s.Value.ID), s),
			}, nil
		},
	}
}

type pinBody struct {
	ID       string                       `json:"id,omitempty"`
	Language catalog.Locale               `json:"language,omitempty"`
	Query    string                       `json:"query"`
	Pins     []catalog.CourseID           `json:"pins,omitempty"`
	Boosts   map[catalog.CourseID]float64 `json:"boosts,omitempty"`
	readOnlyMeta
}

type pinView struct {
	ID       catalog.PinID                `json:"id"`
	Language *string                      `json:"language"`
	Query    string                       `json:"query"`
	Pins     []catalog.CourseID           `json:"pins"`
	Boosts   map[catalog.CourseID]float64 `json:"boosts"`
	entityMeta
}

func (a *API) pins() entities[catalog.Pin, pinBody] {
	type stored = catalog.Stored[catalog.Pin]
	return entities[catalog.Pin, pinBody]{
		api:  a,
		list: a.cfg.Catalog.ListPins,
		seen: func(v *catalog.View, actor catalog.Actor, id string) (stored, error) {
			return v.PinFor(actor, catalog.PinID(id))
		},
		stored: func(v *catalog.View, id string) (stored, bool, error) { return v.Pin(catalog.PinID(id)) },
		put:    (*catalog.Tx).PutPin,
		del:    func(tx *catalog.Tx, id string, cond catalog.Cond) error { return tx.DeletePin(catalog.PinID(id), cond) },
		make: func(id string, b pinBody) (catalog.Pin, error) {
			return catalog.Pin{ID: catalog.PinID(id), Language: b.Language, Query: b.Query, Pins: b.Pins, Boosts: b.Boosts}, sameID(b.ID, id)
		},
		show: func(_ *catalog.View, s stored) (any, error) {
			return pinView{
				ID: s.Value.ID, Language: orNil(string(s.Value.Language)), Query: s.Value.Query, Pins: orEmpty(s.Value.Pins),
				Boosts: orEmptyMap(s.Value.Boosts), entityMeta: metaOf(string(s.Value.ID), s),
			}, nil
		},
	}
}

// curationRoutes leave PATCH out: the documents are small, and PATCH looks at what is there before the catalog says who may.
func (a *API) curationRoutes() []route {
	routes := slices.Concat(a.synonyms().routes("/v2/search/synonyms"), a.pins().routes("/v2/search/pins"))
	return slices.DeleteFunc(routes, func(rt route) bool { return rt.method == http.MethodPatch })
}
