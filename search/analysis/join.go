package analysis

import "unicode/utf8"

// Join lets a word that is a single letter be found in compounds with the words beside it in the query, which may be nil:
// "objective c" is in Objective-C, and "x ray" in X-ray, although texts do not hold the letters of compounds by themselves.
// Any other word stays as it is. Words cannot do so itself, since a query is cut into clauses before.
func (w *Word) Join(before, after *Word) {
	if w.Kind != KindWord || utf8.RuneCountInString(w.Fold) != 1 {
		return
	}
	for i := range w.Forms {
		f := &w.Forms[i]
		c := cacheOf(f.Lang)
		if before.joinable() {
			f.Alternatives = append(f.Alternatives, []string{c.get(before.Text+"-"+w.Text, shapeJoined).stem})
		}
		if after.joinable() {
			f.Alternatives = append(f.Alternatives, []string{c.get(w.Text+"-"+after.Text, shapeJoined).stem})
		}
	}
}

// joinable reports whether a word may be the longer part of a compound.
func (w *Word) joinable() bool {
	return w != nil && w.Kind == KindWord && utf8.RuneCountInString(w.Fold) > 1
}
