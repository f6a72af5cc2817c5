package search

import "sync"

// maxJournal is how many rows the journal remembers: some thousand courses changed since somebody last looked are about as quickly looked at one by one as all
// that is derived from them is made anew.
const maxJournal = 4096

// unknownEdit is added to the number of an edit that the journal does not know: one of the numbers between is never given.
const unknownEdit = 2

// journal remembers which rows the last edits gave other words, or another state. Whoever keeps something derived from an earlier generation learns from it
// what to look at again.
type journal struct {
	mu    sync.Mutex
	edits []edited
	rows  int
}

// edited is what one edit changed. Edits are numbered without gaps, but where everything may have changed.
type edited struct {
	edit uint64
	rows []int32
}

// add notes an edit.
func (j *journal) add(edit uint64, rows []int32) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.edits = append(j.edits, edited{edit, rows})
	j.rows += len(rows)
	for j.rows > maxJournal || len(j.edits) > maxJournal {
		j.rows -= len(j.edits[0].rows)
		j.edits = j.edits[1:]
	}
}

// between returns the rows that were changed after one edit and up to another, each once; false when that is not known any more.
func (j *journal) between(after, last uint64) ([]int32, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var rows []int32
	seen := map[int32]bool{}
	for _, e := range j.edits {
		if e.edit != after+1 || after == last {
			continue
		}
		after++
		for _, i := range e.rows {
			if !seen[i] {
				seen[i] = true
				rows = append(rows, i)
			}
		}
	}
	return rows, after == last
}
