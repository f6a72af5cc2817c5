package api

import (
	"context"
	"net/http"

	"github.com/carrel-lms/carrel/catalog"
)

// Instructors, tags, categories, synonyms and pins are alike: a list, and for each one reading, writing and deleting. entities holds what
// differs: T is what the catalog stores, B its writable document.
type entities[T, B any] struct {
	api    *API
	rated  bool // what is read holds ratings, which move without a new version: the entity tag is for If-Match only, and 304 never answered
	list   func(context.Context, catalog.Actor, catalog.Page) (catalog.List[catalog.Stored[T]], error)
	seen   func(v *catalog.View, actor catalog.Actor, id string) (catalog.Stored[T], error)
	stored func(v *catalog.View, id string) (catalog.Stored[T], bool, error)
	put    func(tx *catalog.Tx, value T, cond catalog.Cond) (bool, error)
	del    func(tx *catalog.Tx, id string, cond catalog.Cond) error
	make   func(id string, body B) (T, error)                                   // refuses an id that is not the path's
	body   func(T) B                                                            // what PATCH starts from; nil where there is none
	show   func(v *catalog.View, s catalog.Stored[T]) (document any, err error) // what is read
}

// routes mounts a set at a path.
func (e entities[T, B]) routes(path string) []route {
	one := path + "/{id}"
	return []route{
		{method: http.MethodGet, path: path, do: e.getAll, query: paged()},
		{method: http.MethodGet, path: one, do: e.get},
		{method: http.MethodPut, path: one, do: e.putOne},
		{method: http.MethodPatch, path: one, do: e.patchOne},
		{method: http.MethodDelete, path: one, do: e.deleteOne},
	}
}

func (e entities[T, B]) getAll(w http.ResponseWriter, r *http.Request) error {
	page, err := e.api.pageOf(r)
	if err != nil {
		return err
	}
	list, err := e.list(r.Context(), callOf(r.Context()).actor, page)
	if err != nil {
		return err
	}
	shown := catalog.List[any]{Next: list.Next, Items: make([]any, len(list.Items))}
	err = e.api.view(r, func(v *catalog.View) error {
		for i, s := range list.Items {
			if shown.Items[i], err = e.show(v, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return sendList(e.api, w, r, shown, func(item any) (any, error) { return item, nil })
}

// read returns a document and its entity tag. It holds all languages, hence the tag's locale.
func (e entities[T, B]) read(r *http.Request) (doc any, tag string, err error) {
	err = e.api.view(r, func(v *catalog.View) error {
		s, err := e.seen(v, callOf(r.Context()).actor, r.PathValue("id"))
		if err != nil {
			return err
		}
		tag = entityTag(s.Version, catalog.AnyLocale)
		doc, err = e.show(v, s)
		return err
	})
	return doc, tag, err
}

func (e entities[T, B]) get(w http.ResponseWriter, r *http.Request) error {
	doc, tag, err := e.read(r)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", tag)
	if !e.rated && notModified(w, r, tag) {
		return nil
	}
	return sendJSON(w, http.StatusOK, doc)
}

func (e entities[T, B]) putOne(w http.ResponseWriter, r *http.Request) error {
	body, err := decodeBody[B](w, r, maxSmallBody)
	if err != nil {
		return err
	}
	value, err := e.make(r.PathValue("id"), body)
	if err != nil {
		return err
	}
	return e.write(w, r, func(catalog.Stored[T], bool) (T, error) { return value, nil })
}

func (e entities[T, B]) patchOne(w http.ResponseWriter, r *http.Request) error {
	patch, err := readPatch[B](w, r, maxSmallBody)
	if err != nil {
		return err
	}
	return e.write(w, r, func(old catalog.Stored[T], exists bool) (value T, err error) {
		if !exists {
			return value, notFound("api.patch")
		}
		body, err := patched(e.body(old.Value), patch)
		if err != nil {
			return value, err
		}
		return e.make(r.PathValue("id"), body)
	})
}

// write writes what next makes of the entity as it is, and answers with the document.
func (e entities[T, B]) write(w http.ResponseWriter, r *http.Request, next func(old catalog.Stored[T], exists bool) (T, error)) error {
	pre, err := preconditionOf(r)
	if err != nil {
		return err
	}
	status := http.StatusOK
	err = e.api.update(w, r, func(tx *catalog.Tx) error {
		if err := mustBeSomebody(tx); err != nil {
			return err
		}
		old, exists, err := e.storedFor(tx, r.PathValue("id"))
		if err != nil {
			return err
		}
		status = createdUnless(exists)
		value, err := next(old, exists)
		if err != nil {
			return err
		}
		_, err = e.put(tx, value, pre.cond(old.Version))
		return err
	})
	if err != nil {
		return err
	}
	doc, tag, err := e.read(r)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", tag)
	return sendJSON(w, status, doc)
}

// storedFor reads an entity; one that the actor may not see does not exist.
func (e entities[T, B]) storedFor(tx *catalog.Tx, id string) (catalog.Stored[T], bool, error) {
	if !tx.Actor().Sees(catalog.OrgOf(id)) {
		var none catalog.Stored[T]
		return none, false, nil
	}
	return e.stored(&tx.View, id)
}

func (e entities[T, B]) deleteOne(w http.ResponseWriter, r *http.Request) error {
	pre, err := preconditionOf(r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	err = e.api.update(w, r, func(tx *catalog.Tx) error {
		old, _, err := e.storedFor(tx, id)
		if err != nil {
			return err
		}
		return e.del(tx, id, pre.cond(old.Version))
	})
	return sendNothing(w, err)
}
