// Package locales holds every text that a person sees, in the languages of the pages, and formats numbers, dates and
// durations in them.
//
// The texts are go-i18n message files, one a language: en.toml (the source), fr.toml, zh-Hans.toml. They are embedded; a
// folder given to [Load] overrides them message by message, at run time. Translators' tools are in tools.go:
// [Check], [Stats] and [Pseudo] stand behind the command "carrel locales".
//
// The package is a leaf: it imports nothing of Carrel.
package locales

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

// Tag is a language of the pages, as in Content-Language and the lang attribute.
type Tag string

// The languages of the pages. English is the source: a text missing elsewhere is shown in English.
const (
	English Tag = "en"
	French  Tag = "fr"
	Chinese Tag = "zh-Hans"
)

// Tags lists the languages of the pages, source first.
var Tags = []Tag{English, French, Chinese}

//go:embed en.toml fr.toml zh-Hans.toml
var embedded embed.FS

// Bundle is the loaded texts. It is safe for concurrent use.
type Bundle struct {
	printers map[Tag]*Printer
}

// Load reads the embedded texts and then those in dir, where a file named like an embedded one overrides its messages.
// An empty dir means none. A file that does not parse is an error that names it.
func Load(dir string) (*Bundle, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	for _, tag := range Tags {
		if _, err := bundle.LoadMessageFileFS(embedded, fileName(tag)); err != nil {
			return nil, fmt.Errorf("locales: %s: %w", fileName(tag), err)
		}
		if err := override(bundle, dir, tag); err != nil {
			return nil, err
		}
	}
	b := &Bundle{printers: make(map[Tag]*Printer, len(Tags))}
	for _, tag := range Tags {
		b.printers[tag] = newPrinter(bundle, tag)
	}
	return b, nil
}

func override(bundle *i18n.Bundle, dir string, tag Tag) error {
	if dir == "" {
		return nil
	}
	path := filepath.Join(dir, fileName(tag))
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("locales: %w", err)
	}
	if _, err := bundle.ParseMessageFileBytes(text, fileName(tag)); err != nil {
		return fmt.Errorf("locales: %s does not parse: %w; run \"carrel locales check --dir %s\" for the place", path, err, dir)
	}
	return nil
}

func fileName(tag Tag) string { return string(tag) + ".toml" }

// Printer returns the printer of a language; an unknown one gets English.
func (b *Bundle) Printer(tag Tag) *Printer {
	if p, ok := b.printers[tag]; ok {
		return p
	}
	return b.printers[English]
}

// matcher prefers the source language for whoever speaks none of ours.
var matcher = language.NewMatcher([]language.Tag{language.English, language.French, language.SimplifiedChinese})

// Parse finds the page language named by a tag such as "fr-CA", "zh", "zh-CN" or "cmn"; false when it names none of ours.
func Parse(tag string) (Tag, bool) {
	t, err := language.Parse(strings.TrimSpace(tag))
	if err != nil {
		return "", false
	}
	_, i, confidence := matcher.Match(t)
	if confidence < language.Low || t == language.Und {
		return "", false
	}
	return Tags[i], true
}

// maxAcceptLanguage bounds the header that is parsed, in bytes; browsers send less than 200.
const maxAcceptLanguage = 1000

// Negotiate picks the page language for an Accept-Language header; English when nothing fits or the header is malformed.
func Negotiate(acceptLanguage string) Tag {
	if len(acceptLanguage) > maxAcceptLanguage {
		return English
	}
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(wanted) == 0 {
		return English
	}
	_, i, _ := matcher.Match(wanted...)
	return Tags[i]
}
