package catalog

// What editors tell search: which words mean the same, and which courses come first for a query. Both are entities of the log, so they are in
// force as soon as the index has followed it, without indexing anything anew.

// SynonymID names a synonym; an organization's is "org~id".
type SynonymID string

// PinID names a pin; an organization's is "org~id".
type PinID string

// Synonym says that who looks for one of From also finds To; with TwoWay also the other way round. Each is a word or a few of them. It holds for
// callers of its organization ("": for everybody) who search in Language ("": in any).
type Synonym struct {
	ID       SynonymID `json:"id"`
	Language Locale    `json:"language,omitempty"`
	From     []string  `json:"from"`
	To       []string  `json:"to"`
	TwoWay   bool      `json:"two_way,omitempty"`
}

// Pin decides about single courses for one query. Pins come first, in this order, whether they match the words or not, as long as the caller
// sees them and they pass the filters; Boosts add to the scores of courses that match, or take away from them. It holds for the query as a whole,
// whose words are compared without case, accents and punctuation; for callers and languages as a [Synonym] does.
type Pin struct {
	ID       PinID                `json:"id"`
	Language Locale               `json:"language,omitempty"`
	Query    string               `json:"query"`
	Pins     []CourseID           `json:"pins,omitempty"`
	Boosts   map[CourseID]float64 `json:"boosts,omitempty"` // −10 to 10
}
