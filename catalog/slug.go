package catalog

// Slug makes a slug by CONTRACT: NFKC, lower case, "+" → "plus", "#" → "sharp", a leading "." → "dot-", any other run that is
// no letter or digit → "-" (trimmed at both ends); Han stays.
func Slug(label string) string { panic("todo") }

// OrgOf returns the organization in an id ("acme~CS101" → "acme", "CS101" → "").
func OrgOf(id string) OrgID { panic("todo") }

// CanonicalLocale returns the canonical form of a language tag (zh, zh-CN, cmn → zh-Hans), or false when it is none.
func CanonicalLocale(tag string) (Locale, bool) { panic("todo") }

// ParseLevel understands level words of English, French and Chinese ("" for none); false when unknown.
func ParseLevel(word string) (Level, bool) { panic("todo") }
