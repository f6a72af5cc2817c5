package ingest

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
)

// Mapping says how the columns of a foreign file become the canonical ones. docs/import.md explains it with examples.
type Mapping struct {
	Delimiter       string             `yaml:"delimiter"`        // one character; "" = found from the header
	Encoding        Encoding           `yaml:"encoding"`         // "" = found from the file
	Language        string             `yaml:"language"`         // of the texts, for rows without a language
	Provider        string             `yaml:"provider"`         // for rows without a provider
	Constants       map[string]string  `yaml:"constants"`        // canonical column → value for every row
	Null            []string           `yaml:"null"`             // words that mean an empty cell
	Ignore          []string           `yaml:"ignore"`           // columns that are known and not wanted; others are reported
	InstructorScope string             `yaml:"instructor_scope"` // column within which an instructor's name is one person; "" = the provider
	Columns         map[string]*Column `yaml:"columns"`          // canonical column → where it comes from
}

// Column says how one canonical column is made.
type Column struct {
	From    names             `yaml:"from"`     // column, or columns that are joined
	Join    *string           `yaml:"join"`     // between joined columns; absent: a key is made of them (slug and hash)
	Match   string            `yaml:"match"`    // regular expression; its first group is taken
	Values  map[string]string `yaml:"values"`   // words to replace, compared without case
	List    string            `yaml:"list"`     // what separates items; "braces" for {" A"," B"}
	Drop    string            `yaml:"drop"`     // regular expression; items or values that match are left out
	FirstOf string            `yaml:"first_of"` // take what stands before this separator
	Unit    string            `yaml:"unit"`     // hours, minutes (default) or seconds, of a duration
	HTML    bool              `yaml:"html"`     // decode entities such as &amp;

	match, drop *regexp.Regexp
}

// names is one name or a list of them.
type names []string

// UnmarshalYAML accepts a scalar or a sequence.
func (n *names) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*n = names{node.Value}
		return nil
	}
	return node.Decode((*[]string)(n))
}

//go:embed presets/*.yaml
var presets embed.FS

// maxMapping bounds a mapping file, in bytes: the presets have about 1 kB.
const maxMapping = 64 << 10

// Presets lists the names of the mappings that come with Carrel.
func Presets() []string {
	entries, _ := fs.ReadDir(presets, "presets") // embedded: it is there
	var list []string
	for _, e := range entries {
		list = append(list, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return list
}

// Preset returns a mapping that comes with Carrel, or fault.InvalidFields.
func Preset(name string) (*Mapping, error) {
	text, err := presets.ReadFile(path.Join("presets", name+".yaml"))
	if err != nil {
		return nil, fault.Invalid("ingest.Preset", fault.BadField("map", fault.BadValue,
			fmt.Sprintf("%q is neither a file nor a preset: the presets are %s", name, strings.Join(Presets(), ", ")), "allowed", strings.Join(Presets(), ", ")))
	}
	return ParseMapping(text)
}

// LoadMapping returns the preset of that name, else reads the file; "" is the canonical layout (nil).
func LoadMapping(name string) (*Mapping, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // no mapping is the canonical layout
	}
	if slices.Contains(Presets(), name) {
		return Preset(name)
	}
	info, err := os.Stat(name)
	if err != nil {
		return Preset(name)
	}
	if info.Size() > maxMapping {
		return nil, fault.New("ingest.LoadMapping", fault.TooLarge, "limit", "64 kB")
	}
	text, err := os.ReadFile(name) //nolint:gosec // the administrator names the file
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	return ParseMapping(text)
}

// ParseMapping reads a mapping from YAML. Unknown keys, canonical columns and regular expressions that do not compile are fault.InvalidFields.
func ParseMapping(text []byte) (*Mapping, error) {
	const op = "ingest.ParseMapping"
	if len(text) > maxMapping {
		return nil, fault.New(op, fault.TooLarge, "limit", "64 kB")
	}
	var m Mapping
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(&m); err != nil {
		return nil, fault.Invalid(op, fault.BadField("map", fault.BadValue, "the mapping cannot be read: "+err.Error(), "allowed", "YAML"))
	}
	for name, column := range m.Columns {
		if err := column.compile(name); err != nil {
			return nil, fault.Invalid(op, fault.BadField("map."+name, fault.BadValue, err.Error(), "allowed", ""))
		}
	}
	for name := range m.Constants {
		if !canonical(name) {
			return nil, fault.Invalid(op, fault.BadField("map.constants."+name, fault.UnknownField, "no canonical column has this name"))
		}
	}
	return &m, nil
}

func (c *Column) compile(name string) (err error) {
	if !canonical(name) {
		return errors.New("no canonical column has this name; docs/import.md lists them")
	}
	if c == nil || len(c.From) == 0 {
		return errors.New(`"from" must name a column of the file`)
	}
	if !slices.Contains([]string{"", "hours", "minutes", "seconds"}, c.Unit) {
		return fmt.Errorf("unit %q is not hours, minutes or seconds", c.Unit)
	}
	if c.Match != "" {
		if c.match, err = regexp.Compile(c.Match); err != nil {
			return err
		}
		if c.match.NumSubexp() == 0 {
			return errors.New(`"match" needs a group in parentheses: what is to be taken`)
		}
	}
	if c.Drop != "" {
		c.drop, err = regexp.Compile(c.Drop)
	}
	return err
}

// source is a canonical column bound to the columns of one file.
type source struct {
	*Column
	name   string // canonical
	header string // of the file, for error reports
	at     []int
}

// binding is a mapping bound to the header of one file.
type binding struct {
	mapping *Mapping
	sources []source
	null    map[string]bool
	scope   int // cell of InstructorScope, or -1
	unknown []string
}

// bind finds the columns. A file without an id or a title is refused, with the preset that would fit it.
func bind(m *Mapping, header []string) (*binding, error) {
	if m == nil {
		m = canonicalMapping(header)
	}
	b := &binding{mapping: m, scope: -1, null: map[string]bool{}}
	for _, word := range m.Null {
		b.null[strings.ToLower(word)] = true
	}
	used := map[string]bool{m.InstructorScope: true}
	for _, name := range m.Ignore {
		used[name] = true
	}
	var missing []fault.Field
	for _, name := range sortedKeys(m.Columns) {
		s := source{Column: m.Columns[name], name: name}
		for _, from := range s.From {
			used[from] = true
			if at := slices.Index(header, from); at >= 0 {
				s.at = append(s.at, at)
				s.header = from
			}
		}
		if len(s.at) < len(s.From) && (name == "id" || name == "title") {
			missing = append(missing, fault.BadField(strings.Join(s.From, "+"), fault.Required, fmt.Sprintf("the file has no column for %q", name)))
		}
		if len(s.at) > 0 {
			b.sources = append(b.sources, s)
		}
	}
	if len(missing) > 0 {
		return nil, fault.Invalid("ingest.bind", missing...).WithFix("%s", hint(header))
	}
	b.scope = slices.Index(header, m.InstructorScope)
	for _, name := range header {
		if name != "" && !used[name] {
			b.unknown = append(b.unknown, name)
		}
	}
	return b, nil
}

// canonicalMapping takes each canonical column from the column of the same name.
func canonicalMapping(header []string) *Mapping {
	m := &Mapping{Columns: map[string]*Column{"id": {From: names{"id"}}, "title": {From: names{"title"}}}}
	for _, name := range header {
		if canonical(name) {
			m.Columns[name] = &Column{From: names{name}}
		}
	}
	return m
}

// hint names the preset whose columns are all there.
func hint(header []string) string {
	for _, name := range Presets() {
		m, err := Preset(name)
		if err == nil && m.fits(header) {
			return fmt.Sprintf("the columns look like the preset %q: add --map %s", name, name)
		}
	}
	return "name the columns id and title, or say by --map which columns they are (docs/import.md)"
}

func (m *Mapping) fits(header []string) bool {
	for _, c := range m.Columns {
		for _, from := range c.From {
			if !slices.Contains(header, from) {
				return false
			}
		}
	}
	return true
}

// value makes the canonical text of a column from a row; a list's items are joined by "|".
func (b *binding) value(s *source, cells []string) string {
	if len(s.at) > 1 {
		return s.joined(cells, s.at)
	}
	v := b.clean(cells[s.at[0]])
	if s.HTML {
		v = html.UnescapeString(v)
	}
	if s.match != nil {
		m := s.match.FindStringSubmatch(v)
		if m == nil {
			return ""
		}
		v = m[1]
	}
	if s.FirstOf != "" {
		v, _, _ = strings.Cut(v, s.FirstOf)
	}
	if s.List != "" {
		return s.items(v)
	}
	if s.drop != nil && s.drop.MatchString(v) {
		return ""
	}
	for word, by := range s.Values {
		if strings.EqualFold(word, v) {
			v = by
		}
	}
	if v != "" && s.Unit != "" {
		v = toMinutes(v, s.Unit)
	}
	return v
}

// clean trims a cell, drops invisible characters and turns null words into nothing.
func (b *binding) clean(v string) string {
	v = trim(v)
	if b.null[strings.ToLower(v)] {
		return ""
	}
	return v
}

// invisible characters that spreadsheets and web pages leave in cells. Joiners stay: some scripts need them.
var invisible = strings.NewReplacer("\u200b", "", "\ufeff", "", "\u2060", "")

// trim drops invisible characters and cuts blanks at both ends.
func trim(v string) string {
	v = invisible.Replace(v)
	return strings.TrimFunc(v, func(c rune) bool { return unicode.IsSpace(c) || unicode.Is(unicode.Cf, c) })
}

func (s *source) items(v string) string {
	sep := s.List
	if sep == "braces" {
		v = strings.TrimSuffix(strings.TrimPrefix(v, "{"), "}")
		sep = ","
		if strings.Contains(v, `"`) {
			sep = `","`
			v = strings.TrimSuffix(strings.TrimPrefix(v, `"`), `"`)
		}
	}
	var items []string
	for item := range strings.SplitSeq(v, sep) {
		item = strings.ReplaceAll(trim(item), "|", "/")
		if item != "" && (s.drop == nil || !s.drop.MatchString(item)) {
			items = append(items, item)
		}
	}
	return strings.Join(items, "|")
}

// Parts of a made key: enough of the slug to be recognized, and of the hash so that a million rows do not collide.
const (
	keySlugRunes = 48
	keyHashBytes = 6
)

// joined joins cells; without a Join it makes a key of them: what can be read of their slug, and a hash of all.
func (s *source) joined(cells []string, at []int) string {
	var parts []string
	for _, i := range at {
		parts = append(parts, trim(cells[i]))
	}
	if s.Join != nil {
		return strings.Join(parts, *s.Join)
	}
	if strings.Join(parts, "") == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	slug := []rune(catalog.Slug(strings.Join(parts[:min(len(parts), 2)], " ")))
	return strings.Trim(string(slug[:min(len(slug), keySlugRunes)]), "-") + "-" + hex.EncodeToString(sum[:keyHashBytes])
}

// toMinutes converts a number of hours or seconds; what is no number stays, to be refused with its column.
func toMinutes(v, unit string) string {
	n, err := strconv.ParseFloat(strings.Replace(v, ",", ".", 1), 64)
	if err != nil {
		return v
	}
	switch unit {
	case "hours":
		n *= 60
	case "seconds":
		n /= 60
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
