package catalog

import (
	"github.com/carrel-lms/carrel/fault"
)

// PutCategory creates or replaces a category. Its id is a slug. fault.Cycle in a field when it would come below itself, fault.OutOfRange when the tree would get
// deeper than MaxCategoryDepth. A translator may change Label of one that exists.
func (tx *Tx) PutCategory(c Category, cond Cond) (bool, error) {
	const op = "catalog.PutCategory"
	c.ID, c.Parent = nfc(c.ID), nfc(c.Parent)
	org := OrgOf(string(c.ID))
	if err := tx.mayWrite(op, org, tx.overlay.actor.Translates(org)); err != nil {
		return false, err
	}
	var p problems
	p.slug("/id", string(c.ID))
	c.Label = p.label(c.Label)
	if err := p.err(op); err != nil {
		return false, err
	}
	old, exists, err := tx.Category(c.ID)
	if err != nil {
		return false, err
	}
	if !tx.overlay.actor.Edits(org) && (!exists || old.Value.Parent != c.Parent) {
		return false, translatorsOnly(op)
	}
	if err := cond.check(old.Version, exists); err != nil {
		return false, err
	}
	if c.Parent != old.Value.Parent && c.Parent != "" {
		if err := tx.checkParent(op, c, exists); err != nil {
			return false, err
		}
	}
	changed, err := tx.put(KindCategory, string(c.ID), catalogChannel(string(c.ID)), c, putOpts{})
	if changed {
		tx.overlay.label(KindCategory, string(c.ID), &labelled{Label: c.Label})
	}
	return changed, err
}

// checkParent checks a new parent. All ancestors are read, so that two moves which together make a cycle do not both happen; and
// all descendants' guards, so that none grows deeper meanwhile.
func (tx *Tx) checkParent(op string, c Category, exists bool) error {
	var p problems
	tx.checkRef(&p, "/parent", OrgOf(string(c.ID)), KindCategory, string(c.Parent))
	if err := p.err(op); err != nil {
		return err
	}
	depth := 1
	for id := c.Parent; id != "" && depth <= MaxCategoryDepth; depth++ {
		if id == c.ID {
			p.add("/parent", fault.Cycle, "is below the category itself")
			return p.err(op)
		}
		above, _, err := tx.Category(id)
		if err != nil {
			return err
		}
		id = above.Value.Parent
	}
	if exists { // a new one has nothing below it
		below, err := tx.height(c.ID, MaxCategoryDepth)
		if err != nil {
			return err
		}
		depth += below
	}
	if depth > MaxCategoryDepth {
		p.add("/parent", fault.OutOfRange, "makes the tree too deep", "min", 1, "max", MaxCategoryDepth)
		return p.err(op)
	}
	return tx.refer(KindCategory, string(c.Parent))
}

// height returns how many levels are below a category, at most limit.
func (tx *Tx) height(id CategoryID, limit int) (int, error) {
	tx.exists(KindSetting, guardOf(KindCategory, string(id)))
	if limit == 0 {
		return 0, nil
	}
	children, err := tx.Subcategories(id)
	if err != nil {
		return 0, err
	}
	high := 0
	for _, child := range children {
		below, err := tx.height(child, limit-1)
		if err != nil {
			return 0, err
		}
		high = max(high, below+1)
	}
	return high, nil
}

// DeleteCategory deletes a category. fault.HasDependents when a course or another category names it.
func (tx *Tx) DeleteCategory(id CategoryID, cond Cond) error {
	id = nfc(id)
	return tx.deleteReferred("catalog.DeleteCategory", KindCategory, string(id), cond, func() (bool, error) {
		courses, err := tx.CoursesWithCategory(id)
		if err != nil || len(courses) > 0 {
			return true, err
		}
		below, err := tx.Subcategories(id)
		return len(below) > 0, err
	})
}

// EnsureCategory is [Tx.EnsureTag] for categories; one that it makes has no parent.
func (tx *Tx) EnsureCategory(org OrgID, label string, l Locale) (CategoryID, error) {
	id, found, err := tx.findLabelled("catalog.EnsureCategory", "/category", KindCategory, org, label)
	if err != nil || found {
		return CategoryID(id), err
	}
	_, err = tx.PutCategory(Category{ID: CategoryID(id), Label: map[Locale]string{l: label}}, Cond{})
	return CategoryID(id), err
}
