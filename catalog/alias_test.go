package catalog

import (
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// view looks at what is there.
func view(t *testing.T, c *Catalog, fn func(v *View) error) {
	t.Helper()
	if err := c.View(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// TestRecordIDs follows a bookmark through the ids that devices give it.
func TestRecordIDs(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	puts(t, c, System, course("C1", Published))
	name := func(id string, write bool) {
		t.Helper()
		must(t, c, learner, func(tx *Tx) error {
			if err := tx.NameRecord("lea", KindBookmark, "C1", id); err != nil || !write {
				return err
			}
			_, err := tx.PutBookmark("lea", "C1")
			return err
		})
	}
	want := func(what, own string, ids ...string) {
		t.Helper()
		view(t, c, func(v *View) error {
			if id, err := v.RecordID("lea", KindBookmark, "C1"); err != nil || id != own {
				t.Errorf("%s: the record is called %q, want %q (%v)", what, id, own, err)
			}
			for _, id := range ids {
				if key, known, err := v.RecordKey("lea", KindBookmark, id); err != nil || !known || key != "C1" {
					t.Errorf("%s: %q is %q, %t (%v)", what, id, key, known, err)
				}
			}
			return nil
		})
	}
	want("before", "C1")
	name("one", true)
	want("first", "one", "one")
	name("two", true)
	want("second", "one", "one", "two")
	must(t, c, learner, func(tx *Tx) error { return tx.DeleteBookmark("lea", "C1") })
	name("three", true)
	want("made again", "one", "one", "two", "three")
	view(t, c, func(v *View) error {
		surplus := map[string]bool{}
		for ch := range v.bv.Entities(KindAlias, learnerPrefix("lea"), "") {
			kind, id, more, err := v.AliasOf("lea", &ch)
			if err != nil || kind != KindBookmark {
				t.Errorf("%s is an id of %s (%v)", ch.Key, kind, err)
			}
			surplus[id] = more
		}
		if len(surplus) != 3 || surplus["one"] || !surplus["two"] || !surplus["three"] {
			t.Errorf("surplus ids: %v", surplus)
		}
		if key, known, _ := v.RecordKey("lea", KindReview, "one"); known {
			t.Errorf("the same id of another kind is %q", key)
		}
		return nil
	})
	for what, id := range map[string]string{"nothing": "", "marked": "~x", "too long": strings.Repeat("x", maxRecordID+1), "a line": "a\nb"} {
		err := do(t, c, learner, func(tx *Tx) error { return tx.NameRecord("lea", KindBookmark, "C1", id) })
		if !fault.Is(err, fault.InvalidFields) {
			t.Errorf("an id that is %s: %v", what, err)
		}
	}
	if err := do(t, c, Actor{Subject: "leo"}, func(tx *Tx) error { return tx.NameRecord("lea", KindBookmark, "C1", "four") }); !fault.Is(err, fault.Forbidden) {
		t.Errorf("another learner gives ids: %v", err)
	}
}

// TestRecordIDTaken holds that a record made elsewhere does not get an id that a phone gave to another one.
func TestRecordIDTaken(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	puts(t, c, System, course("C1", Published), course("C2", Published))
	must(t, c, learner, func(tx *Tx) error {
		if err := tx.NameRecord("lea", KindBookmark, "C1", "C2"); err != nil {
			return err
		}
		_, err := tx.PutBookmark("lea", "C1")
		return err
	})
	must(t, c, learner, func(tx *Tx) error {
		_, err := tx.PutBookmark("lea", "C2")
		return err
	})
	view(t, c, func(v *View) error {
		first, _ := v.RecordID("lea", KindBookmark, "C1")
		second, _ := v.RecordID("lea", KindBookmark, "C2")
		if first != "C2" || second == first || second == "C1" {
			t.Errorf("the two bookmarks are called %q and %q", first, second)
		}
		for id, want := range map[string]string{first: "C1", second: "C2"} {
			if key, known, err := v.RecordKey("lea", KindBookmark, id); key != want || !known || err != nil {
				t.Errorf("%q is %q, %t, want %q (%v)", id, key, known, want, err)
			}
		}
		return nil
	})
}

// TestAliasesBounded holds the bound of a lifetime.
func TestAliasesBounded(t *testing.T) {
	t.Parallel()
	c := testCatalog(t)
	must(t, c, learner, func(tx *Tx) error {
		_, err := tx.put(kindAccount, "lea", learnerChannel("lea"), account{Aliases: maxAliases - 1}, putOpts{})
		return err
	})
	give := func(id string) error {
		return do(t, c, learner, func(tx *Tx) error { return tx.NameRecord("lea", KindSavedSearch, "s", id) })
	}
	if err := give("last"); err != nil {
		t.Fatal(err)
	}
	if err := give("last"); err != nil {
		t.Error("an id that is known is none more:", err)
	}
	if err := give("over"); !fault.Is(err, fault.InvalidFields) {
		t.Error(err)
	}
	must(t, c, learner, func(tx *Tx) error { return tx.Erase("lea") })
	view(t, c, func(v *View) error {
		for _, kind := range []coursesync.Kind{KindAlias, KindRecordID} {
			for ch := range v.bv.Entities(kind, "", "") {
				t.Errorf("%s %s is left of an erased account", kind, ch.Key)
			}
		}
		return nil
	})
}
