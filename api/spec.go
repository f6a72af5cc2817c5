package api

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// spec is what the page /docs needs of openapi.yaml, in the order of the file.
type spec struct {
	Info struct {
		Title, Version, Description string
	} `yaml:"info"`
	Tags []struct {
		Name, Description string
	} `yaml:"tags"`
	Paths      ordered[ordered[yaml.Node]] `yaml:"paths"`
	Components struct {
		Parameters ordered[specParameter] `yaml:"parameters"`
		Responses  ordered[specAnswer]    `yaml:"responses"`
		Schemas    ordered[specSchema]    `yaml:"schemas"`
	} `yaml:"components"`

	tag    string // entity tag of the file
	Groups []specGroup
}

type specGroup struct {
	Name, Description string
	Operations        []specOperation
}

type specOperation struct {
	Method, Path string

	ID          string              `yaml:"operationId"`
	Tags        []string            `yaml:"tags"`
	Summary     string              `yaml:"summary"`
	Description string              `yaml:"description"`
	Parameters  []specParameter     `yaml:"parameters"`
	Body        specBody            `yaml:"requestBody"`
	Answers     ordered[specAnswer] `yaml:"responses"`
}

type specParameter struct {
	Ref         string     `yaml:"$ref"`
	Name        string     `yaml:"name"`
	In          string     `yaml:"in"`
	Required    bool       `yaml:"required"`
	Description string     `yaml:"description"`
	Schema      specSchema `yaml:"schema"`
}

type specBody struct {
	Description string             `yaml:"description"`
	Content     ordered[specMedia] `yaml:"content"`
}

type specAnswer struct {
	Ref         string             `yaml:"$ref"`
	Description string             `yaml:"description"`
	Content     ordered[specMedia] `yaml:"content"`
}

type specMedia struct {
	Schema  specSchema `yaml:"schema"`
	Example yaml.Node  `yaml:"example"`
}

// ExampleText writes the example as YAML, which reads as easily as JSON; "" when there is none.
func (m specMedia) ExampleText() string {
	if m.Example.IsZero() {
		return ""
	}
	text, err := yaml.Marshal(&m.Example)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

type specSchema struct {
	Ref         string              `yaml:"$ref"`
	Type        any                 `yaml:"type"` // a name, or a list of them
	Format      string              `yaml:"format"`
	Description string              `yaml:"description"`
	Enum        []any               `yaml:"enum"`
	Items       *specSchema         `yaml:"items"`
	Properties  ordered[specSchema] `yaml:"properties"`
	Required    []string            `yaml:"required"`
	AllOf       []specSchema        `yaml:"allOf"`
	OneOf       []specSchema        `yaml:"oneOf"`
	Additional  any                 `yaml:"additionalProperties"`
}

// RefName is the name of the schema referred to, or "".
func (s specSchema) RefName() string { return s.Ref[strings.LastIndexByte(s.Ref, '/')+1:] }

// Kind describes a type in a few words.
func (s specSchema) Kind() string {
	if len(s.OneOf) > 0 {
		var kinds []string
		for _, one := range s.OneOf {
			kinds = append(kinds, strings.TrimSpace(one.RefName()+" "+one.Kind()))
		}
		return strings.Join(kinds, " | ")
	}
	name := words(s.Type, " | ")
	switch {
	case s.Items != nil && s.Items.Ref != "":
		name += " of " + s.Items.RefName()
	case s.Items != nil:
		name += " of " + s.Items.Kind()
	}
	if s.Format != "" {
		name += " (" + s.Format + ")"
	}
	if len(s.Enum) > 0 {
		name += ": " + words(s.Enum, ", ")
	}
	return name
}

// words joins a YAML value or list of them; null is a word too.
func words(v any, by string) string {
	list, ok := v.([]any)
	if !ok {
		if v == nil {
			return ""
		}
		return fmt.Sprint(v)
	}
	var all []string
	for _, item := range list {
		if item == nil {
			item = "null"
		}
		all = append(all, fmt.Sprint(item))
	}
	return strings.Join(all, by)
}

// ordered is a YAML mapping that keeps its order.
type ordered[V any] []entry[V]

type entry[V any] struct {
	Key   string
	Value V
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (o *ordered[V]) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: not a mapping", node.Line)
	}
	const pair = 2
	for i := 0; i+1 < len(node.Content); i += pair {
		e := entry[V]{Key: node.Content[i].Value}
		if err := node.Content[i+1].Decode(&e.Value); err != nil {
			return err
		}
		*o = append(*o, e)
	}
	return nil
}

func (o ordered[V]) get(key string) (V, bool) {
	for _, e := range o {
		if e.Key == key {
			return e.Value, true
		}
	}
	var none V
	return none, false
}

// methods are the keys of a path that are operations.
var methods = map[string]bool{"get": true, "put": true, "post": true, "patch": true, "delete": true}

// loadSpec reads the embedded openapi.yaml.
func loadSpec() (*spec, error) {
	s := new(spec)
	if err := yaml.Unmarshal(openapiYAML, s); err != nil {
		return nil, fmt.Errorf("api: openapi.yaml: %w", err)
	}
	sum := sha256.Sum256(openapiYAML)
	s.tag = `"` + hex.EncodeToString(sum[:cursorSum]) + `"`
	for _, t := range s.Tags {
		s.Groups = append(s.Groups, specGroup{Name: t.Name, Description: t.Description})
	}
	for _, path := range s.Paths {
		if err := s.addPath(path.Key, path.Value); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *spec) addPath(path string, items ordered[yaml.Node]) error {
	var shared []specParameter
	if node, ok := items.get("parameters"); ok {
		if err := node.Decode(&shared); err != nil {
			return fmt.Errorf("api: openapi.yaml: %s: %w", path, err)
		}
	}
	for _, item := range items {
		if !methods[item.Key] {
			continue
		}
		op := specOperation{Method: strings.ToUpper(item.Key), Path: path}
		if err := item.Value.Decode(&op); err != nil {
			return fmt.Errorf("api: openapi.yaml: %s %s: %w", item.Key, path, err)
		}
		op.Parameters = append(slices.Clip(shared), op.Parameters...)
		for i, p := range op.Parameters {
			if p.Ref != "" {
				op.Parameters[i], _ = s.Components.Parameters.get(p.Ref[strings.LastIndexByte(p.Ref, '/')+1:])
			}
		}
		for i, answer := range op.Answers {
			if ref := answer.Value.Ref; ref != "" {
				op.Answers[i].Value, _ = s.Components.Responses.get(ref[strings.LastIndexByte(ref, '/')+1:])
			}
		}
		for i := range s.Groups {
			if len(op.Tags) > 0 && s.Groups[i].Name == op.Tags[0] {
				s.Groups[i].Operations = append(s.Groups[i].Operations, op)
			}
		}
	}
	return nil
}
