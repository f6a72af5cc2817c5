package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carrel-lms/carrel/fault"
)

// TestStrictBodies: what is wrong with a body is named, with its place.
func TestStrictBodies(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for _, tt := range []struct {
		name, body string
		code       fault.Code
		fields     []string // "pointer code"
	}{
		{"fine", `{"title":"T","tags":["a"],"price":1.5,"certificate":true,"starts_at":"2026-01-02T03:04:05Z"}`, "", nil},
		{"null is no value", `{"title":"T","level":null,"tags":null,"price":null,"translations":{"fr":null}}`, "", nil},
		{"read-only fields are ignored", `{"title":"T","rating":4.5,"version":"x","org":{"a":1},"published_at":7}`, "", nil},
		{"instructors as read", `{"title":"T","instructors":[{"id":"a","name":"A","rating":null},"b"]}`, "", nil},
		{"empty", ``, fault.InvalidBody, nil},
		{"no object", `[1]`, fault.InvalidFields, []string{" wrong-type"}},
		{"broken", `{"title":`, fault.InvalidBody, nil},
		{"two values", `{"title":"T"} {}`, fault.InvalidBody, nil},
		{"bad UTF-8", "{\"title\":\"\xff\"}", fault.InvalidBody, []string{" bad-encoding"}},
		{"too deep", deep, fault.InvalidBody, []string{strings.Repeat("/a", 32) + " out-of-range"}},
		{"twice", `{"title":"T","title":"U"}`, fault.InvalidFields, []string{"/title duplicate"}},
		{"unknown", `{"title":"T","titel":"T","a/b~c":1}`, fault.InvalidFields, []string{"/a~1b~0c unknown-field", "/titel unknown-field"}},
		{"case counts", `{"Title":"T"}`, fault.InvalidFields, []string{"/Title unknown-field"}},
		{"unknown, deep", `{"translations":{"fr":{"titel":"T"}}}`, fault.InvalidFields, []string{"/translations/fr/titel unknown-field"}},
		{"types", `{"title":1,"tags":"a","price":"1","certificate":"yes","starts_at":"tomorrow","translations":[],"duration_minutes":1.5}`, fault.InvalidFields, []string{
			"/certificate not-a-boolean", "/duration_minutes wrong-type", "/price not-a-number", "/starts_at not-a-date", "/tags wrong-type", "/title wrong-type", "/translations wrong-type",
		}},
		{"in a list", `{"tags":["a",7]}`, fault.InvalidFields, []string{"/tags/1 wrong-type"}},
		{"huge numbers", `{"price":1e999,"duration_minutes":123456789012345678901234567890}`, fault.InvalidFields, []string{"/duration_minutes out-of-range", "/price out-of-range"}},
		{"instructor without sense", `{"instructors":[{"id":"a","nme":"A"},5]}`, fault.InvalidFields, []string{"/instructors/0/nme unknown-field", "/instructors/1 wrong-type"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPut, "/", strings.NewReader(tt.body))
			_, err := decodeBody[courseBody](httptest.NewRecorder(), r, maxDocumentBody)
			var got []string
			if err != nil {
				for _, f := range asFault(err).Fields {
					got = append(got, f.Pointer+" "+string(f.Code))
				}
			}
			if fault.CodeOf(err) != tt.code {
				t.Errorf("code is %q (%v), want %q", fault.CodeOf(err), err, tt.code)
			}
			if diff := cmp.Diff(tt.fields, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMediaTypes(t *testing.T) {
	for sent, ok := range map[string]bool{
		"": true, "application/json": true, "Application/JSON; charset=UTF-8": true,
		"application/json; charset=latin1": false, "text/plain": false, "application/x-www-form-urlencoded": false, ";;": false, mergePatch: false,
	} {
		r := httptest.NewRequest(http.MethodPut, "/", strings.NewReader("{}"))
		if sent != "" {
			r.Header.Set("Content-Type", sent)
		}
		if _, err := readBody(httptest.NewRecorder(), r, 10, ""); (err == nil) != ok {
			t.Errorf("%q: %v", sent, err)
		}
	}
}

// TestMerge holds merge against the examples of RFC 7396, appendix A.
func TestMerge(t *testing.T) {
	for _, tt := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		var target, patch, want any
		for i, into := range []*any{&target, &patch, &want} {
			if err := json.Unmarshal([]byte(tt[i]), into); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, merge(target, patch)); diff != "" {
			t.Errorf("%s with %s:\n%s", tt[0], tt[1], diff)
		}
	}
}

func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{`{"title":"T","tags":["a",1,null,{"b":true}]}`, `[[[1e400]]]`, `{"a":1,"a":2}`, "\xff", `"\ud800"`, `{"instructors":[{"id":1}]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		tree, err := parseJSON(body)
		if err != nil {
			if fault.KindOf(err) != fault.KindInvalid {
				t.Fatalf("%v is no fault of the caller", err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatal("accepted what is no JSON")
		}
		// What passes the check can be decoded.
		if _, object := tree.(map[string]any); object && len(checkTree(tree, reflect.TypeFor[courseBody](), "", nil)) == 0 {
			var into courseBody
			if err := fillFrom(tree, &into); err != nil {
				t.Fatalf("checked, but not decoded: %v", err)
			}
		}
	})
}

func FuzzEntityTags(f *testing.F) {
	for _, seed := range []string{`"1-en"`, `W/"1-en", "2-*"`, `*`, `"`, `"a" "b"`, `,`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tags, err := entityTags("If-Match", text)
		if err == nil && (len(tags) == 0 || len(tags) > maxEntityTags) {
			t.Fatalf("%q has %d tags", text, len(tags))
		}
		for _, tag := range tags {
			if len(tag) < 2 || tag[0] != '"' || tag[len(tag)-1] != '"' || versionIn(tag) == 0 {
				t.Fatalf("%q has the tag %q", text, tag)
			}
		}
	})
}
