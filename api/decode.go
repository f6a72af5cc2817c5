package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/carrel-lms/carrel/fault"
)

// Decoding is strict and names the place: a body becomes a tree first (depth, duplicates, UTF-8), the tree is compared with the Go
// type that it shall fill (unknown fields, wrong types), and only then is it decoded.

// readBody reads a body of at most max bytes that says it is JSON. kind is the media type wanted beside application/json, or "".
func readBody(w http.ResponseWriter, r *http.Request, max int64, kind string) ([]byte, error) {
	if err := wantMedia(r, "application/json", kind); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, max))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, err
		}
		return nil, fault.Wrap("api.readBody", fault.InvalidBody, err)
	}
	return body, nil
}

// wantMedia refuses a body of another media type. One that names none is taken for what we want.
func wantMedia(r *http.Request, kinds ...string) error {
	sent := r.Header.Get("Content-Type")
	if sent == "" {
		return nil
	}
	media, params, err := mime.ParseMediaType(sent)
	charset := strings.ToLower(params["charset"])
	if err == nil && (charset == "" || charset == "utf-8") {
		for _, kind := range kinds {
			if kind != "" && media == kind {
				return nil
			}
		}
	}
	return fault.New("api.body", fault.UnsupportedMedia, "want", kinds[0])
}

// decodeBody reads a JSON body into a value of its own type, at most max bytes.
func decodeBody[T any](w http.ResponseWriter, r *http.Request, max int64) (T, error) {
	var into T
	body, err := readBody(w, r, max, "")
	if err != nil {
		return into, err
	}
	tree, err := parseJSON(body)
	if err != nil {
		return into, err
	}
	return into, fillFrom(tree, &into)
}

// decodeOptional is decodeBody for a request that may come without a body.
func decodeOptional[T any](w http.ResponseWriter, r *http.Request, max int64) (T, error) {
	if r.ContentLength == 0 {
		var none T
		return none, nil
	}
	return decodeBody[T](w, r, max)
}

// fillFrom checks a tree against a type and decodes it. Faults name the fields.
func fillFrom(tree, into any) error {
	if _, object := tree.(map[string]any); !object {
		return fault.Invalid("api.decode", fault.BadField("", fault.WrongType, "must be an object", "want", "object"))
	}
	if bad := checkTree(tree, reflect.TypeOf(into).Elem(), "", nil); len(bad) > 0 {
		return fault.Invalid("api.decode", bad...)
	}
	text, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fault.Wrap("api.decode", fault.InvalidBody, err)
	}
	return nil
}

// parseJSON makes a tree of exactly one JSON value: map[string]any, []any, string, json.Number, bool, nil.
func parseJSON(body []byte) (any, error) {
	const op = "api.parseJSON"
	if !utf8.Valid(body) {
		f := fault.New(op, fault.InvalidBody)
		f.Fields = []fault.Field{fault.BadField("", fault.BadEncoding, "the body is not UTF-8")}
		return nil, f
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	tree, err := parseValue(dec, "", maxDepth)
	if err != nil {
		return nil, asBodyFault(op, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fault.Wrap(op, fault.InvalidBody, errors.New("more than one JSON value"))
	}
	return tree, nil
}

func asBodyFault(op string, err error) error {
	if known, ok := errors.AsType[*fault.Error](err); ok {
		return known
	}
	return fault.Wrap(op, fault.InvalidBody, err)
}

func parseValue(dec *json.Decoder, pointer string, depth int) (any, error) {
	if depth == 0 {
		f := fault.New("api.parseJSON", fault.InvalidBody)
		f.Fields = []fault.Field{fault.BadField(pointer, fault.OutOfRange, "nested too deep", "min", 0, "max", maxDepth)}
		return nil, f
	}
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		return parseObject(dec, pointer, depth)
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := parseValue(dec, pointer+"/"+strconv.Itoa(len(list)), depth-1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	default:
		return token, nil
	}
}

func parseObject(dec *json.Decoder, pointer string, depth int) (any, error) {
	object := map[string]any{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		at := pointer + "/" + escapePointer(name)
		if _, twice := object[name]; twice {
			return nil, fault.Invalid("api.parseJSON", fault.BadField(at, fault.Duplicate, "given twice"))
		}
		if object[name], err = parseValue(dec, at, depth-1); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	return object, err
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// escapePointer writes a name as a part of a JSON pointer (RFC 6901).
func escapePointer(name string) string { return pointerEscapes.Replace(name) }
