package catalog

import "strings"

// levelWords are the words for levels, as slugs and by language, that catalogs were seen to use.
var levelWords = map[Level][]string{
	LevelAll: {
		"all", "all-levels", "any", "any-level", "mixed", "mixed-level", "every-level",
		"tous", "tous-niveaux", "tous-les-niveaux", "tout-niveau", "tout-public", "tous-publics", "mixte",
		"全部", "所有", "不限", "所有级别", "全部级别", "所有水平", "混合", "全级别", "所有等级", "所有級別", "不限级别",
	},
	LevelBeginner: {
		"beginner", "beginners", "beginner-level", "introductory", "introductory-level", "introduction", "intro", "basic", "basics", "novice", "elementary",
		"entry", "entry-level", "foundation", "foundational",
		"debutant", "debutante", "debutants", "niveau-debutant", "grand-debutant", "initiation", "elementaire", "facile", "niveau-elementaire", "decouverte",
		"初级", "初級", "入门", "入門", "初学", "初学者", "基础", "基礎", "零基础", "简单", "初级水平", "新手",
	},
	LevelIntermediate: {
		"intermediate", "intermediate-level", "medium", "middle", "moderate",
		"intermediaire", "niveau-intermediaire", "moyen", "niveau-moyen", "approfondissement",
		"中级", "中級", "中等", "进阶", "進階", "中级水平", "提高",
	},
	LevelAdvanced: {
		"advanced", "advanced-level", "expert", "expert-level", "experts", "professional", "hard",
		"avance", "avancee", "avances", "niveau-avance", "confirme", "perfectionnement", "difficile", "niveau-expert",
		"高级", "高級", "高阶", "高階", "专家", "专家级", "困难", "高级水平", "精通",
	},
}

var levelByWord = func() map[string]Level {
	m := map[string]Level{}
	for level, words := range levelWords {
		for _, w := range words {
			m[w] = level
		}
	}
	return m
}()

// plainLetters takes the accents off, since upper-case French is often written without them.
var plainLetters = strings.NewReplacer("é", "e", "è", "e", "ê", "e", "à", "a", "â", "a", "ç", "c", "î", "i", "ï", "i", "ô", "o", "û", "u", "ù", "u")

// ParseLevel understands level words of English, French and Chinese ("" for none); false when unknown.
func ParseLevel(word string) (Level, bool) {
	if strings.TrimSpace(word) == "" {
		return "", true
	}
	level, ok := levelByWord[plainLetters.Replace(Slug(word))]
	return level, ok
}

// valid reports whether a level is one of ours, or none.
func (l Level) valid() bool {
	switch l {
	case "", LevelAll, LevelBeginner, LevelIntermediate, LevelAdvanced:
		return true
	}
	return false
}
