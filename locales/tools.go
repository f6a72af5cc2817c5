package locales

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Finding is one thing that a translator should look at.
type Finding struct {
	File    string // "fr.toml"
	Line    int    // from 1; 0 when the file lacks something
	ID      string // the message
	Missing bool   // nothing is wrong with what is there, but something is not there
	Detail  string // what to do, in English
}

// String writes a finding as compilers do, so that editors jump to it.
func (f Finding) String() string {
	place := f.File
	if f.Line > 0 {
		place += fmt.Sprintf(":%d", f.Line)
	}
	return fmt.Sprintf("%s: %s: %s", place, f.ID, f.Detail)
}

// plurals are the CLDR plural forms that each language must have (French "many" serves compact millions and falls back to other).
var plurals = map[Tag][]string{English: {"one", "other"}, French: {"one", "other"}, Chinese: {"other"}}

// forms are the keys that make a table a message, as go-i18n reads it.
var forms = []string{"zero", "one", "two", "few", "many", "other"}

// metadata may stand beside the forms.
var metadata = []string{"description", "hash", "leftdelim", "rightdelim"}

// message is one text of a file: its forms by name.
type message map[string]string

// messageFile is one language's file, flattened.
type messageFile struct {
	messages map[string]message
	lines    map[string]int
}

// Check compares the files of dir (the embedded ones when it is "") with the English source: texts that are missing, unknown,
// empty, lack a plural form, or name other placeholders. A file that is absent from dir is taken from the embedded ones.
func Check(dir string) ([]Finding, error) {
	source, findings, err := readFile(dir, English)
	if err != nil || len(findings) > 0 {
		return findings, err
	}
	for _, tag := range Tags {
		file, bad, err := readFile(dir, tag)
		if err != nil {
			return nil, err
		}
		findings = append(findings, bad...)
		if len(bad) == 0 {
			findings = append(findings, compare(tag, source, file)...)
		}
	}
	return findings, nil
}

func compare(tag Tag, source, file messageFile) []Finding {
	var found []Finding
	say := func(id string, missing bool, format string, args ...any) {
		found = append(found, Finding{File: fileName(tag), Line: file.lines[id], ID: id, Missing: missing, Detail: fmt.Sprintf(format, args...)})
	}
	for _, id := range sortedKeys(source.messages) {
		want, have := source.messages[id], file.messages[id]
		if have == nil {
			say(id, true, "not translated yet; English is %q", want["other"])
			continue
		}
		for _, form := range plurals[tag] {
			if want.plural() && have[form] == "" {
				say(id, true, "the plural form %q is missing", form)
			}
		}
		if have["other"] == "" {
			say(id, true, "the text is empty")
		}
		for _, form := range sortedKeys(have) {
			if slices.Contains(forms, form) && have[form] != "" {
				comparePlaceholders(id, form, want, have[form], say)
			}
		}
	}
	for _, id := range sortedKeys(file.messages) {
		if source.messages[id] == nil {
			say(id, false, "the English source has no such text; remove it or correct its name")
		}
	}
	return found
}

func comparePlaceholders(id, form string, want message, text string, say func(string, bool, string, ...any)) {
	allowed := placeholders(want["other"])
	for _, name := range placeholders(text) {
		if !slices.Contains(allowed, name) {
			say(id, false, "%q names the placeholder {{.%s}}, English has only %v", form, name, allowed)
		}
	}
	if form != "other" {
		return // "one course" may leave out the count
	}
	for _, name := range allowed {
		if !slices.Contains(placeholders(text), name) {
			say(id, false, "the placeholder {{.%s}} of the English text is not used", name)
		}
	}
	if open, closed := strings.Count(text, "{{"), strings.Count(text, "}}"); open != closed {
		say(id, false, "%d times {{ but %d times }}", open, closed)
	}
}

var placeholder = regexp.MustCompile(`{{\s*\.(\w+)\s*}}`)

func placeholders(text string) []string {
	var names []string
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (m message) plural() bool { return m["one"] != "" }

// Share says how far a language is.
type Share struct {
	Tag        Tag
	Texts      int // in the English source
	Translated int
	Words      int // in the source
	WordsLeft  int // in texts not translated yet
}

// Stats counts what is translated, by language, in dir (the embedded files when it is "").
func Stats(dir string) ([]Share, error) {
	source, findings, err := readFile(dir, English)
	if err == nil && len(findings) > 0 {
		err = errors.New(findings[0].String())
	}
	if err != nil {
		return nil, err
	}
	var shares []Share
	for _, tag := range Tags {
		file, _, err := readFile(dir, tag)
		if err != nil {
			return nil, err
		}
		share := Share{Tag: tag, Texts: len(source.messages)}
		for id, text := range source.messages {
			words := len(strings.Fields(text["other"]))
			share.Words += words
			if file.messages[id] != nil && file.messages[id]["other"] != "" {
				share.Translated++
			} else {
				share.WordsLeft += words
			}
		}
		shares = append(shares, share)
	}
	return shares, nil
}

// Pseudo writes the English source as a pseudo language: accented and a third longer, in brackets, so that texts which do
// not come from the files, or are cut, show on a page. Save it as fr.toml in an override folder to look at it.
func Pseudo(w io.Writer) error {
	source, _, err := readFile("", English)
	if err != nil {
		return err
	}
	out := make(map[string]message, len(source.messages))
	for id, m := range source.messages {
		out[id] = message{}
		for form, text := range m {
			if slices.Contains(forms, form) {
				out[id][form] = pseudo(text)
			}
		}
	}
	return toml.NewEncoder(w).Encode(out)
}

var pseudoLetters = strings.NewReplacer("a", "á", "c", "ç", "e", "ë", "i", "ï", "n", "ñ", "o", "ø", "s", "š", "u", "û", "y", "ý",
	"A", "Å", "C", "Ç", "E", "É", "I", "Ï", "N", "Ñ", "O", "Ø", "S", "Š", "U", "Û", "Y", "Ý")

func pseudo(text string) string {
	var b strings.Builder
	last := 0
	for _, at := range placeholder.FindAllStringIndex(text, -1) {
		b.WriteString(pseudoLetters.Replace(text[last:at[0]]))
		b.WriteString(text[at[0]:at[1]])
		last = at[1]
	}
	b.WriteString(pseudoLetters.Replace(text[last:]))
	const third = 3
	return "[" + b.String() + strings.Repeat("~", len([]rune(text))/third) + "]"
}

// readFile reads a language's file of dir, or the embedded one. Text that does not parse is a finding, not an error.
func readFile(dir string, tag Tag) (messageFile, []Finding, error) {
	text, err := embedded.ReadFile(fileName(tag))
	if dir != "" {
		var own []byte
		own, err = os.ReadFile(filepath.Join(dir, fileName(tag))) //nolint:gosec // the translator names the folder
		if err == nil {
			text = own
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	if err != nil {
		return messageFile{}, nil, fmt.Errorf("locales: %w", err)
	}
	return parseFile(tag, string(text))
}

func parseFile(tag Tag, text string) (messageFile, []Finding, error) {
	file := messageFile{messages: map[string]message{}, lines: map[string]int{}}
	var tree map[string]any
	_, err := toml.Decode(text, &tree)
	if err != nil {
		if syntax, ok := errors.AsType[toml.ParseError](err); ok {
			return file, []Finding{{File: fileName(tag), Line: syntax.Position.Line, ID: "(file)", Detail: syntax.Message}}, nil
		}
		return file, []Finding{{File: fileName(tag), ID: "(file)", Detail: err.Error()}}, nil
	}
	flatten("", tree, file.messages)
	file.lines = findLines(text, file.messages)
	return file, nil, nil
}

// flatten turns nested tables into messages by dotted id, as go-i18n does.
func flatten(prefix string, tree map[string]any, into map[string]message) {
	for key, value := range tree {
		id := key
		if prefix != "" {
			id = prefix + "." + key
		}
		switch v := value.(type) {
		case string:
			into[id] = message{"other": v}
		case map[string]any:
			if m := asMessage(v); m != nil {
				into[id] = m
			} else {
				flatten(id, v, into)
			}
		}
	}
}

// asMessage returns a table as a message when its keys are forms and metadata only.
func asMessage(table map[string]any) message {
	m := message{}
	for key, value := range table {
		text, isText := value.(string)
		if !isText || !slices.Contains(forms, key) && !slices.Contains(metadata, key) {
			return nil
		}
		m[key] = text
	}
	return m
}

var (
	headerLine = regexp.MustCompile(`^\s*\[([^\]]+)\]`)
	keyLine    = regexp.MustCompile(`^\s*("?[\w.-]+"?)\s*=`)
)

// findLines finds where each message stands. It reads headers and keys only: good for pointing, not for parsing.
func findLines(text string, messages map[string]message) map[string]int {
	lines := map[string]int{}
	section := ""
	for i, line := range strings.Split(text, "\n") {
		if m := headerLine.FindStringSubmatch(line); m != nil {
			section = strings.ReplaceAll(strings.TrimSpace(m[1]), `"`, "")
			note(lines, messages, section, i+1)
			continue
		}
		if m := keyLine.FindStringSubmatch(line); m != nil {
			key := strings.ReplaceAll(m[1], `"`, "")
			if section != "" {
				key = section + "." + key
			}
			note(lines, messages, key, i+1)
		}
	}
	return lines
}

func note(lines map[string]int, messages map[string]message, id string, line int) {
	if messages[id] != nil && lines[id] == 0 {
		lines[id] = line
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
