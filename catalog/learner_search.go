package catalog

import (
	"context"
	"iter"
	"net/url"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

const (
	// MaxSavedSearches is how many searches a learner keeps. Each is compared with every course that is published, and a longer list is read by nobody.
	MaxSavedSearches = 100
	// maxSavedQuery bounds the parameters of a saved search, in bytes: the longest query of Chinese, nine bytes a character when escaped, and
	// nearly as much again of filters.
	maxSavedQuery = 8_192
)

// SavedSearchID names one of a learner's saved searches.
type SavedSearchID string

// Notify says how soon a learner hears of new courses that a saved search finds.
type Notify string

// The ways to be notified. What is not said is [NotifyOff]: nobody is sent anything who did not ask for it.
const (
	NotifyInstant Notify = "instant"
	NotifyDaily   Notify = "daily"
	NotifyOff     Notify = "off"
)

// SavedSearch is a search that a learner keeps under a name.
type SavedSearch struct {
	Name   string `json:"name"`
	Query  string `json:"query"` // the parameters of a search as in an address, "q=go&min_rating=4"
	Notify Notify `json:"notify"`
}

// MySavedSearch is one of a learner's saved searches.
type MySavedSearch struct {
	ID SavedSearchID
	Stored[SavedSearch]
}

// MySavedSearches lists a learner's saved searches by id.
func (c *Catalog) MySavedSearches(ctx context.Context, who LearnerID, p Page) (List[MySavedSearch], error) {
	return listMine(ctx, c, KindSavedSearch, who, p, func(key string, s Stored[SavedSearch]) MySavedSearch {
		return MySavedSearch{SavedSearchID(key), s}
	})
}

// SavedSearchOf is a saved search with the learner who keeps it.
type SavedSearchOf struct {
	Learner LearnerID
	MySavedSearch
}

// SavedSearches yields everybody's saved searches, learner by learner. Each chunk of them is read at one moment, so what changes meanwhile may be missed or
// seen: whoever goes on from the log's head as it was before misses nothing.
func (c *Catalog) SavedSearches(ctx context.Context) iter.Seq2[SavedSearchOf, error] {
	return func(yield func(SavedSearchOf, error) bool) {
		for after := ""; ; {
			chunk := make([]SavedSearchOf, 0, coursesync.ReadChunk)
			err := c.View(ctx, func(v *View) error {
				for ch := range entities(v, KindSavedSearch, "", after) {
					s, err := SavedSearchIn(ch)
					if err != nil {
						return err
					}
					after = ch.Key
					if chunk = append(chunk, s); len(chunk) == cap(chunk) {
						break
					}
				}
				return nil
			})
			if err != nil {
				yield(SavedSearchOf{}, err)
				return
			}
			for _, s := range chunk {
				if !yield(s, nil) {
					return
				}
			}
			if len(chunk) < cap(chunk) {
				return
			}
		}
	}
}

// SavedSearchIn returns the saved search in a change of [KindSavedSearch]; of one that was deleted, its names.
func SavedSearchIn(ch coursesync.Change) (SavedSearchOf, error) {
	learner, id := splitLearner(ch.Key)
	s := SavedSearchOf{Learner: learnerOf(learner), MySavedSearch: MySavedSearch{ID: SavedSearchID(id)}}
	if ch.Op == coursesync.OpDelete {
		return s, nil
	}
	var err error
	s.Stored, err = decode[SavedSearch](ch)
	return s, err
}

// MySavedSearch returns one of a learner's saved searches, and whether there is one.
func (v *View) MySavedSearch(who LearnerID, id SavedSearchID) (Stored[SavedSearch], bool, error) {
	return load[SavedSearch](v, KindSavedSearch, learnerPrefix(who)+string(nfc(id)))
}

// SavedSearchesOf returns all of a learner's saved searches by id: at most [MaxSavedSearches]. The caller knows that who is asking.
func (v *View) SavedSearchesOf(who LearnerID) ([]MySavedSearch, error) {
	var list []MySavedSearch
	for ch := range entities(v, KindSavedSearch, learnerPrefix(who), "") {
		s, err := SavedSearchIn(ch)
		if err != nil {
			return nil, err
		}
		list = append(list, s.MySavedSearch)
	}
	return list, nil
}

// PutSavedSearch creates or replaces one of a learner's saved searches. The learner or an administrator may. Notify is [NotifyOff] when it is empty. What
// the parameters mean is search's to say: here they are well-formed and bounded. fault.TooMany in a field beyond [MaxSavedSearches].
func (tx *Tx) PutSavedSearch(who LearnerID, id SavedSearchID, s SavedSearch, cond Cond) (bool, error) {
	const op = "catalog.PutSavedSearch"
	id = nfc(id)
	if err := tx.mayActFor(op, who); err != nil {
		return false, err
	}
	var p problems
	p.id("/id", string(id))
	s = p.savedSearch(s)
	if err := p.err(op); err != nil {
		return false, err
	}
	key := learnerPrefix(who) + string(id)
	old, exists := tx.get(KindSavedSearch, key)
	if err := cond.check(old.Seq, exists); err != nil {
		return false, err
	}
	if !exists {
		if err := tx.openAccount(op, who, 0); err != nil { // of two who make the last one allowed, the second counts again
			return false, err
		}
		if tx.holds(KindSavedSearch, who) >= MaxSavedSearches {
			return false, fault.Invalid(op, fault.BadField("/id", fault.TooMany, "the learner has as many as one may have", "max", MaxSavedSearches))
		}
	}
	return tx.put(KindSavedSearch, key, learnerChannel(who), s, putOpts{cond: cond})
}

// savedSearch checks a saved search, and returns it as it is stored.
func (p *problems) savedSearch(s SavedSearch) SavedSearch {
	s.Name = p.line("/name", s.Name, maxName)
	p.required("/name", s.Name)
	before := len(p.fields)
	s.Query = p.line("/query", s.Query, maxSavedQuery)
	if len(p.fields) == before {
		p.required("/query", s.Query)
		switch {
		case len(s.Query) > maxSavedQuery:
			p.tooLong("/query", maxSavedQuery)
		case !validParameters(s.Query):
			p.add("/query", fault.BadQuery, "is not encoded as the parameters of an address", "name", "query", "reason", fault.BadEncoding)
		}
	}
	switch s.Notify {
	case "":
		s.Notify = NotifyOff
	case NotifyInstant, NotifyDaily, NotifyOff:
	default:
		p.add("/notify", fault.BadValue, "is not instant, daily or off", "allowed", "instant, daily, off")
	}
	return s
}

// validParameters reports whether a text is encoded as the parameters of an address.
func validParameters(text string) bool {
	values, err := url.ParseQuery(text)
	if err != nil {
		return false
	}
	for name, list := range values {
		for _, value := range append(list, name) {
			if !utf8.ValidString(value) {
				return false
			}
		}
	}
	return true
}

// DeleteSavedSearch removes one of a learner's saved searches. fault.NotFound when there is none.
func (tx *Tx) DeleteSavedSearch(who LearnerID, id SavedSearchID, cond Cond) error {
	const op = "catalog.DeleteSavedSearch"
	if err := tx.mayActFor(op, who); err != nil {
		return err
	}
	return tx.deleteMine(op, KindSavedSearch, who, string(nfc(id)), cond)
}

// deleteMine deletes what a learner has of a kind under an id. fault.NotFound when there is none.
func (tx *Tx) deleteMine(op string, kind coursesync.Kind, who LearnerID, id string, cond Cond) error {
	key := learnerPrefix(who) + id
	old, exists := tx.get(kind, key)
	if err := cond.check(old.Seq, exists); err != nil {
		return err
	}
	if !exists {
		return fault.New(op, fault.NotFound)
	}
	return tx.del(kind, key, learnerChannel(who), Cond{})
}

// holds counts what a learner has of a kind.
func (v *View) holds(kind coursesync.Kind, who LearnerID) (n int) {
	for range entities(v, kind, learnerPrefix(who), "") {
		n++
	}
	return n
}
