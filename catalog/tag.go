package catalog

import (
	"bytes"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// PutTag creates or replaces a tag. Its id is a slug. A translator may change Label and Synonyms of one that exists.
func (tx *Tx) PutTag(t Tag, cond Cond) (bool, error) {
	const op = "catalog.PutTag"
	t.ID = nfc(t.ID)
	org := OrgOf(string(t.ID))
	if err := tx.mayWrite(op, org, tx.overlay.actor.Translates(org)); err != nil {
		return false, err
	}
	var p problems
	p.slug("/id", string(t.ID))
	t.Label = p.label(t.Label)
	t.Synonyms = p.synonyms("/synonyms", t.Synonyms)
	if err := p.err(op); err != nil {
		return false, err
	}
	if !tx.overlay.actor.Edits(org) && !tx.exists(KindTag, string(t.ID)) {
		return false, translatorsOnly(op)
	}
	changed, err := tx.put(KindTag, string(t.ID), catalogChannel(string(t.ID)), t, putOpts{cond: cond})
	if changed {
		tx.overlay.label(KindTag, string(t.ID), &labelled{Label: t.Label, Synonyms: t.Synonyms})
	}
	return changed, err
}

// label checks the label of a tag or a category.
func (p *problems) label(m map[Locale]string) map[Locale]string {
	bad := len(p.fields)
	m = p.lines("/label", m, maxLabel)
	if len(m) == 0 && len(p.fields) == bad {
		p.add("/label", fault.Required, "is required in at least one language")
	}
	return m
}

// synonyms checks words by locale.
func (p *problems) synonyms(pointer string, m map[Locale][]string) map[Locale][]string {
	return localized(p, pointer, m, func(where string, words []string) ([]string, bool) {
		if p.tooMany(where, len(words), maxSynonyms) {
			return nil, false
		}
		var out []string
		for i, w := range words {
			if w = p.line(at(where, i), w, maxLabel); w != "" {
				out = append(out, w)
			}
		}
		return unique(out), len(out) > 0
	})
}

// DeleteTag deletes a tag. fault.HasDependents when a course names it.
func (tx *Tx) DeleteTag(id TagID, cond Cond) error {
	id = nfc(id)
	return tx.deleteReferred("catalog.DeleteTag", KindTag, string(id), cond, func() (bool, error) {
		courses, err := tx.CoursesWithTag(id)
		return len(courses) > 0, err
	})
}

// EnsureTag returns the id of a tag named in an import, making it when it is missing. A label is compared as a slug, with ids first and then with labels and
// synonyms in any language, within the organization and then in the public catalog. l is the language of the label.
func (tx *Tx) EnsureTag(org OrgID, label string, l Locale) (TagID, error) {
	const op = "catalog.EnsureTag"
	id, found, err := tx.findLabelled(op, "/tags", KindTag, org, label)
	if err != nil || found {
		return TagID(id), err
	}
	_, err = tx.PutTag(Tag{ID: TagID(id), Label: map[Locale]string{l: label}}, Cond{})
	return TagID(id), err
}

// labelKey finds a tag or a category by the slug of a label within an organization.
type labelKey struct {
	kind coursesync.Kind
	org  OrgID
	slug string
}

// label notes the labels of what a transaction wrote.
func (s *txState) label(kind coursesync.Kind, id string, l *labelled) {
	for slug := range l.slugs() {
		s.labels[labelKey{kind, OrgOf(id), slug}] = id
	}
}

// findLabelled finds a tag or a category by id or label; else it returns the id that it should get.
func (tx *Tx) findLabelled(op, pointer string, kind coursesync.Kind, org OrgID, label string) (id string, found bool, err error) {
	if own := nfc(label); org != "" && OrgOf(own) == org && tx.exists(kind, own) {
		return own, true, nil // an export names its own in full
	}
	slug := idSlug(label)
	if slug == "" {
		return "", false, fault.Invalid(op, fault.BadField(pointer, fault.BadValue, "holds no letter or digit: "+clip(label), "allowed", "a-z 0-9 …"))
	}
	for _, candidate := range candidates(org, slug) {
		if tx.exists(kind, candidate) {
			return candidate, true, nil
		}
		if id, ok := tx.byLabel(kind, OrgOf(candidate), slug); ok {
			return id, true, nil
		}
	}
	return inOrg(org, slug), false, nil
}

// byLabel returns the first id, in order, that has a label in an organization.
func (tx *Tx) byLabel(kind coursesync.Kind, org OrgID, slug string) (string, bool) {
	if id, ok := tx.overlay.labels[labelKey{kind, org, slug}]; ok && tx.isLabelled(kind, id, slug) {
		return id, true
	}
	prefix := joinKey(string(kind), string(org), slug, "")
	for key := range tx.tables().scan(tableLabels, prefix, "") {
		id := string(bytes.TrimPrefix(key, []byte(prefix)))
		if tx.overlay.writes[kind][id] == nil && tx.exists(kind, id) { // what was written in here is in labels
			return id, true
		}
	}
	return "", false
}

// isLabelled reports whether a thing still has a label: the write that gave it may have been taken back, or followed by another one.
func (tx *Tx) isLabelled(kind coursesync.Kind, id, slug string) bool {
	l, ok, err := load[labelled](&tx.View, kind, id)
	if err != nil || !ok {
		return false
	}
	for s := range l.Value.slugs() {
		if s == slug {
			return true
		}
	}
	return false
}
