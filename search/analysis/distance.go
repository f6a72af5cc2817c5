package analysis

import "unicode/utf8"

// Distance returns how many single-rune insertions, deletions, substitutions or swaps of neighbours turn a into b
// (optimal string alignment), or limit+1 when that is more than limit. It costs O(limit × runes).
func Distance(a, b string, limit int) int {
	if a == b {
		return 0
	}
	if limit <= 0 {
		return limit + 1
	}
	la, lb := utf8.RuneCountInString(a), utf8.RuneCountInString(b)
	if la-lb > limit || lb-la > limit {
		return limit + 1
	}
	var small [4 * (MaxTerm + 1)]int32 // two words and rows of usual length, without allocation
	ra, rb := []rune(a), []rune(b)
	rows := small[:]
	if need := 3 * (lb + 1); need > len(rows) {
		rows = make([]int32, need)
	}
	return osa(ra, rb, rows, limit)
}

// osa fills the band of the table of distances that is at most limit wide on either side of the diagonal.
func osa(a, b []rune, rows []int32, limit int) int {
	w := len(b) + 1
	before, prev, cur := rows[:w], rows[w:2*w], rows[2*w:3*w]
	far := int32(limit + 1) //nolint:gosec // a limit is 1 or 2
	for j := range prev {
		prev[j] = min(int32(j), far)
		before[j] = far
	}
	for i := 1; i <= len(a); i++ {
		lo, hi := max(1, i-limit), min(len(b), i+limit)
		cur[lo-1] = far
		if lo == 1 {
			cur[0] = min(int32(i), far)
		}
		best := cur[lo-1]
		for j := lo; j <= hi; j++ {
			d := prev[j-1]
			if a[i-1] != b[j-1] {
				d++
			}
			d = min(d, cur[j-1]+1)
			if j < i+limit {
				d = min(d, prev[j]+1) // beyond it the band of the row above ended
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, before[j-2]+1)
			}
			cur[j] = min(d, far)
			best = min(best, cur[j])
		}
		if hi < len(b) {
			cur[hi+1] = far
		}
		if best >= far {
			return limit + 1
		}
		before, prev, cur = prev, cur, before
	}
	return int(prev[len(b)])
}
