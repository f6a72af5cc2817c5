package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"reflect"

	"github.com/carrel-lms/carrel/fault"
)

// mergePatch is RFC 7396's media type.
const mergePatch = "application/merge-patch+json"

// readPatch reads a merge patch for documents of type T, and refuses fields that they do not have.
func readPatch[T any](w http.ResponseWriter, r *http.Request, limit int64) (map[string]any, error) {
	body, err := readBody(w, r, limit, mergePatch)
	if err != nil {
		return nil, err
	}
	tree, err := parseJSON(body)
	if err != nil {
		return nil, err
	}
	patch, ok := tree.(map[string]any)
	if !ok {
		return nil, fault.Invalid("api.readPatch", wrongType("", "object"))
	}
	if bad := checkTree(patch, reflect.TypeFor[T](), "", nil); len(bad) > 0 {
		return nil, fault.Invalid("api.readPatch", bad...)
	}
	return patch, nil
}

// patched applies a merge patch to a document.
func patched[T any](doc T, patch map[string]any) (T, error) {
	var out T
	text, err := json.Marshal(doc)
	if err != nil {
		return out, fault.Wrap("api.patched", fault.Internal, err)
	}
	tree, err := parseJSON(text)
	if err != nil {
		return out, fault.Wrap("api.patched", fault.Internal, err)
	}
	return out, fillFrom(merge(tree, patch), &out)
}

// merge is RFC 7396's MergePatch. It changes neither argument's maps that the other may share: a patch is applied again when a
// command is retried.
func merge(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	result := map[string]any{}
	if old, ok := target.(map[string]any); ok {
		maps.Copy(result, old)
	}
	for name, value := range changes {
		if value == nil {
			delete(result, name)
		} else {
			result[name] = merge(result[name], value)
		}
	}
	return result
}

// pathEscape writes an id as a part of a path.
func pathEscape(id string) string { return url.PathEscape(id) }
