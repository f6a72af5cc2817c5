package analysis

import "strings"

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// Stop words, folded. The lists are short on purpose: a word that names a subject somewhere (go, c, r, it in capitals,
// French son, été, sans, the AI of every second title) must stay findable. "i" stays, for Calculus I.
var (
	stopEnglish = set(`a about an and are as at be been but by can cant could did do does doesnt dont for from had has have he her
		his how if in into is isnt it its me my no not of on or our she should so some such than that the their them then there these
		they this those to us was we were what when which who will with would you your youll youre youve weve im ive`)
	stopFrench = set(`a au aux avec ca ce ceci cela celle ces cet cette chez comme dans de des dont du elle elles en est et
		etre eux il ils je la le les leur leurs lui ma mais me meme mes moi mon ne ni nos notre nous on ont ou par pas plus pour
		que quel quelle quelles quels qui quoi sa se ses si sont sur ta te tes toi ton tous tout toute toutes tu un une vos votre vous y`)
	// Chinese particles count only where they stand alone in a query; within a run there are no words to leave out.
	stopChinese = set(`的 了 和 与 及 或 在 是 吗 呢 吧 之 等 以及 关于`)
)

// names are stop words that name something as they are written: information technology, the World Health Organization,
// operations research, systèmes d'information; corn, which is no but; what is sure, not on; who was born.
var names = set("IT US WHO OR IS SI DES ME maïs Maïs MAÏS sûr Sûr né Né NÉ")

// elided lists the French words that lose their vowel before another.
var elided = set("c d j l m n s t qu jusqu lorsqu puisqu quoiqu")

// contracted lists what follows the apostrophe in English contractions.
var contracted = set("t d m re ve ll")

// stops reports whether a word, written and folded, is a stop word in texts of a language.
func stops(l Lang, written, fold string) bool {
	if names[written] {
		return false
	}
	switch l {
	case English, Chinese:
		return stopEnglish[fold] // Chinese texts quote English titles
	case French:
		return stopFrench[fold]
	}
	return false
}
