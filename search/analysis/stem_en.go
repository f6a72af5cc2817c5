package analysis

import (
	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/english"
)

// minStem is the length from which English words are stemmed: shorter ones are acronyms or have no ending to lose.
const minStem = 3

// irregular maps English words that the Snowball stemmer gets wrong, to their stems: plurals of Greek and Latin, of
// Germanic vowels, and words whose subjects it would mix up (universe and university, animals and animation).
var irregular = map[string]string{
	"analyses": "analysi", "theses": "thesi", "hypotheses": "hypothesi", "syntheses": "synthesi", "diagnoses": "diagnosi", "crises": "crisi",
	"matrices": "matrix", "vertices": "vertex", "indices": "index", "appendices": "appendix",
	"criteria": "criterion", "phenomena": "phenomenon", "bacteria": "bacterium", "curricula": "curriculum", "algae": "alga",
	"women": "woman", "men": "man", "children": "child", "mice": "mous", "feet": "foot", "teeth": "tooth", "leaves": "leaf", "lives": "life",
	"wives": "wife", "knives": "knife", "wolves": "wolf", "selves": "self", "stimuli": "stimulus", "nuclei": "nucleus", "fungi": "fungus",
	"university": "universiti", "universities": "universiti", "organization": "organiz", "organizations": "organiz", "organizational": "organiz",
	"organize": "organiz", "organizes": "organiz", "organized": "organiz", "organizing": "organiz", "organizer": "organiz", "organizers": "organiz",
	"animation": "animat", "animations": "animat", "animated": "animat",
	"business": "business", "businesses": "business", "going": "going", "news": "news", "policy": "policy", "policies": "policy",
	"statistics": "statist", "statistic": "statist", "programmer": "program", "programmers": "program",
}

// stemEnglish returns the stem of a folded word, which does not depend on whether the spelling is British or American.
func stemEnglish(w string) string {
	if len(w) < minStem || !asciiLower(w) {
		return w
	}
	w = american(w)
	if s, ok := irregular[w]; ok {
		return s
	}
	env := snowballstem.NewEnv(w)
	english.Stem(env)
	return env.Current()
}
