package search

import (
	"github.com/RoaringBitmap/roaring/v2"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// absent is the dictionary of a field that no document of a segment has, as in an index of an earlier mapping. A list of such a dictionary
// that was made in the place of another one remembers the other's documents and breaks when it is read, so it is made anew.
type absent struct{ segment.TermDictionary }

// PostingsList implements segment.TermDictionary.
func (a absent) PostingsList(term []byte, except *roaring.Bitmap, _ segment.PostingsList) (segment.PostingsList, error) {
	return a.TermDictionary.PostingsList(term, except, nil)
}
