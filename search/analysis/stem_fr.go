package analysis

import "strings"

// The French stemmer makes one of a word's singular and plural, masculine and feminine, and leaves derivation alone
// (former, formation and formateur stay apart). Words come folded, so that é and e are one before anything is cut.
//
// The shortest stem that an ending may leave is three letters, below which most pairs are strangers (rue, ru).
const minFrench = 3

// irregularFrench maps forms that the rules below would part from their base, to the stem of that base.
var irregularFrench = map[string]string{
	"travaux": "travail", "vitraux": "vitrail", "coraux": "corail", "emaux": "email", "baux": "bail", "yeux": "oeil", "cieux": "ciel",
	"vantaux": "vantail", "soupiraux": "soupirail", "aieux": "aieul", "noyaux": "noyau", "tuyaux": "tuyau", "joyaux": "joyau", "boyaux": "boyau",
	"belle": "beau", "belles": "beau", "bel": "beau", "nouvelle": "nouveau", "nouvelles": "nouveau", "nouvel": "nouveau", "folle": "fou",
	"folles": "fou", "fol": "fou", "molle": "mou", "molles": "mou", "vieille": "vieu", "vieilles": "vieu", "vieil": "vieu", "jumelle": "jumeau", "jumelles": "jumeau",
	"douce": "dou", "douces": "dou", "rousse": "rou", "rousses": "rou", "fausse": "fau", "fausses": "fau", "blanche": "blanc", "blanches": "blanc",
	"franche": "franc", "franches": "franc", "seche": "sec", "seches": "sec", "fraiche": "frai", "fraiches": "frai", "favorite": "favori",
	"favorites": "favori", "longue": "long", "longues": "long", "aigue": "aigu", "aigues": "aigu", "ambigue": "ambigu", "ambigues": "ambigu",
	"grecque": "grec", "grecques": "grec", "turque": "turc", "turques": "turc", "basse": "bas", "basses": "bas", "bas": "bas",
	"grasse": "gra", "grasses": "gra", "lasse": "la", "lasses": "la", "maligne": "malin", "malignes": "malin", "benigne": "benin", "benignes": "benin",
	"actrice": "acteu", "actrices": "acteu", "acteur": "acteu", "acteurs": "acteu", "tutrice": "tuteu", "tutrices": "tuteu", "tuteur": "tuteu", "tuteurs": "tuteu",
	"tierce": "tier", "tierces": "tier", "maitresse": "maitr", "maitresses": "maitr", "clef": "cle", "clefs": "cle", "nee": "ne", "nees": "ne", "nes": "ne",
	"sociaux": "social", "creatrice": "createu", "creatrices": "createu", "matrice": "matric", "matrices": "matric", "bus": "bus", "gaz": "gaz", "temps": "temp",
	"nue": "nu", "nues": "nu", "nus": "nu", "mure": "mur", "mures": "mur", "oeufs": "oeuf", "boeufs": "boeuf", "mere": "mere", "meres": "mere", "mesdames": "madam", "messieurs": "monsieu",
	"ans": "an", "fois": "fois", "cas": "cas", "case": "case", "cases": "case", "base": "base", "bases": "base", "dose": "dose", "doses": "dose",
}

// stemFrench returns the stem of a folded word.
func stemFrench(w string) string {
	if s, ok := irregularFrench[w]; ok {
		return s
	}
	if len(w) <= minFrench || !asciiLower(w) {
		return w
	}
	return feminine(plural(w))
}

// plural undoes the plural.
func plural(w string) string {
	switch n := len(w); {
	case strings.HasSuffix(w, "eaux"):
		return w[:n-1]
	case n > 4 && strings.HasSuffix(w, "aux"):
		return w[:n-2] + "l"
	case strings.HasSuffix(w, "ux"):
		return w[:n-1] // jeux, choux; and heureux, which so meets heureuse
	case w[n-1] == 's' && w[n-2] != 's':
		return w[:n-1] // cours too, always
	}
	return w
}

// feminine undoes the feminine of what plural left.
func feminine(w string) string {
	if len(w) > minFrench+1 && strings.HasSuffix(w, "ee") {
		w = w[:len(w)-1] // appliquée meets appliqué before its ending is read
	}
	n := len(w)
	switch {
	case n > 7 && strings.HasSuffix(w, "trice"):
		return w[:n-4] + "eu" // directrice, as directeur below
	case n > 6 && strings.HasSuffix(w, "eure"):
		return w[:n-2] // ingénieure, supérieure
	case n > 5 && strings.HasSuffix(w, "eur"):
		return w[:n-1] // développeur meets développeuse
	case n > 6 && strings.HasSuffix(w, "ique"):
		return w[:n-3] + "c" // publique, public
	case n > 3 && strings.HasSuffix(w, "ve") && isVowel(w[n-3]):
		return w[:n-2] + "f" // active, neuve, brève
	case n > 4 && strings.HasSuffix(w, "sse"):
		return w[:n-3] // grosse, and gros without its s
	case n > 4 && strings.HasSuffix(w, "se") && isVowel(w[n-3]):
		return w[:n-2] // française, précise, heureuse; and précis without its s
	}
	for len(w) > minFrench && w[len(w)-1] == 'e' {
		w = w[:len(w)-1] // créée
	}
	if n := len(w); n > minFrench && w[n-1] == w[n-2] && !isVowel(w[n-1]) {
		w = w[:n-1] // bonne, nette, gentille
	}
	return w
}

func isVowel(c byte) bool { return strings.IndexByte("aeiouy", c) >= 0 }
