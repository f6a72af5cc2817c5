package api

import (
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/carrel-lms/carrel/fault"
)

// readOnly is the type of a field that a document has when it is read and that a write may send back: it is known and ignored.
type readOnly struct{}

// UnmarshalJSON ignores the value.
func (*readOnly) UnmarshalJSON([]byte) error { return nil }

// MarshalJSON writes null; such fields are left out of what we send.
func (readOnly) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// idRef is an id, or an object that has one and perhaps a name: so that what was read can be sent back.
type idRef struct{ ID, Name string }

// MarshalJSON writes the short form.
func (i idRef) MarshalJSON() ([]byte, error) { return json.Marshal(i.ID) }

// UnmarshalJSON reads either form.
func (i *idRef) UnmarshalJSON(text []byte) error {
	var object struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	if len(text) > 0 && text[0] == '{' {
		err := json.Unmarshal(text, &object)
		*i = idRef(object)
		return err
	}
	return json.Unmarshal(text, &i.ID)
}

var (
	readOnlyType = reflect.TypeFor[readOnly]()
	idRefType    = reflect.TypeFor[idRef]()
	timeType     = reflect.TypeFor[time.Time]()
)

// checkTree compares a tree with the type that it shall fill and appends what is wrong, with its place. null fits everywhere: it
// means that the field has no value.
func checkTree(v any, t reflect.Type, at string, bad []fault.Field) []fault.Field {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if v == nil || t == readOnlyType || len(bad) >= maxBodyFields {
		return bad
	}
	switch t {
	case timeType:
		return checkTime(v, at, bad)
	case idRefType:
		return checkIDRef(v, at, bad)
	}
	switch t.Kind() {
	case reflect.Struct:
		return checkObject(v, t, at, bad)
	case reflect.Map:
		object, ok := v.(map[string]any)
		if !ok {
			return append(bad, wrongType(at, "object"))
		}
		for _, name := range sortedKeys(object) {
			bad = checkTree(object[name], t.Elem(), at+"/"+escapePointer(name), bad)
		}
		return bad
	case reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			return append(bad, wrongType(at, "array"))
		}
		for i, item := range list {
			bad = checkTree(item, t.Elem(), at+"/"+strconv.Itoa(i), bad)
		}
		return bad
	default:
		return checkScalar(v, t, at, bad)
	}
}

func checkObject(v any, t reflect.Type, at string, bad []fault.Field) []fault.Field {
	object, ok := v.(map[string]any)
	if !ok {
		return append(bad, wrongType(at, "object"))
	}
	fields := jsonFields(t)
	for _, name := range sortedKeys(object) {
		place := at + "/" + escapePointer(name)
		field, known := fields[name]
		if !known {
			bad = append(bad, fault.BadField(place, fault.UnknownField, "there is no such field"))
			continue
		}
		bad = checkTree(object[name], field, place, bad)
	}
	return bad
}

// jsonFields returns the fields of a struct by their JSON names, those of embedded structs among them.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			maps.Copy(fields, jsonFields(f.Type))
		case name != "" && name != "-":
			fields[name] = f.Type
		}
	}
	return fields
}

func checkScalar(v any, t reflect.Type, at string, bad []fault.Field) []fault.Field {
	switch t.Kind() {
	case reflect.String:
		if _, ok := v.(string); !ok {
			return append(bad, wrongType(at, "string"))
		}
	case reflect.Bool:
		if _, ok := v.(bool); !ok {
			return append(bad, fault.BadField(at, fault.NotABoolean, "must be true or false"))
		}
	case reflect.Interface: // whoever reads it knows more
	case reflect.Float64, reflect.Int, reflect.Int64, reflect.Uint64:
		return checkNumber(v, t, at, bad)
	default:
		return append(bad, wrongType(at, t.Kind().String()))
	}
	return bad
}

// maxInteger is the largest integer that JavaScript and every other reader of JSON keep exactly.
const maxInteger = 1<<53 - 1

func checkNumber(v any, t reflect.Type, at string, bad []fault.Field) []fault.Field {
	n, ok := v.(json.Number)
	if !ok {
		return append(bad, fault.BadField(at, fault.NotANumber, "must be a number"))
	}
	f, err := n.Float64()
	if err != nil || math.Abs(f) > maxInteger {
		return append(bad, fault.BadField(at, fault.OutOfRange, "is too large", "min", -maxInteger, "max", maxInteger))
	}
	if t.Kind() == reflect.Float64 {
		return bad
	}
	i, err := n.Int64()
	switch {
	case err != nil:
		return append(bad, wrongType(at, "integer"))
	case i < 0 && t.Kind() == reflect.Uint64:
		return append(bad, fault.BadField(at, fault.OutOfRange, "is negative", "min", 0, "max", maxInteger))
	}
	return bad
}

func checkTime(v any, at string, bad []fault.Field) []fault.Field {
	s, ok := v.(string)
	if ok {
		_, err := time.Parse(time.RFC3339, s)
		ok = err == nil
	}
	if !ok {
		return append(bad, fault.BadField(at, fault.NotADate, "must be a time as in RFC 3339"))
	}
	return bad
}

func checkIDRef(v any, at string, bad []fault.Field) []fault.Field {
	if object, ok := v.(map[string]any); ok {
		return checkObject(object, reflect.TypeFor[readInstructor](), at, bad)
	}
	if _, ok := v.(string); !ok {
		return append(bad, wrongType(at, "string"))
	}
	return bad
}

// readInstructor is how a course shows an instructor.
type readInstructor struct {
	ID     string   `json:"id"`
	Name   readOnly `json:"name"`
	Rating readOnly `json:"rating"`
}

func wrongType(at, want string) fault.Field {
	return fault.BadField(at, fault.WrongType, "must be a JSON "+want, "want", want)
}
