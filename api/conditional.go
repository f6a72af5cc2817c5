package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// precondition is what a write demands of the entity as it is: If-Match and If-None-Match.
type precondition struct {
	versions     []coursesync.Seq // any of these
	mustExist    bool
	mustNotExist bool
}

// noVersion is a version that nothing has: it stands for an entity tag that is none of ours.
const noVersion coursesync.Seq = 1

// maxEntityTags bounds the tags in one header.
const maxEntityTags = 50

// preconditionOf reads the conditions of a write. Only the version in an entity tag counts, not the language.
func preconditionOf(r *http.Request) (precondition, error) {
	var p precondition
	if match := headerList(r, "If-Match"); match == "*" {
		p.mustExist = true
	} else if match != "" {
		tags, err := entityTags("If-Match", match)
		if err != nil {
			return p, err
		}
		for _, tag := range tags {
			p.versions = append(p.versions, versionIn(tag))
		}
	}
	switch none := headerList(r, "If-None-Match"); none {
	case "":
	case "*":
		p.mustNotExist = true
	default:
		return p, badParameter("If-None-Match", fault.BadValue, "on a write only * is understood", "allowed", "*")
	}
	return p, nil
}

// cond makes the catalog's condition, given the entity's present version.
func (p precondition) cond(current coursesync.Seq) catalog.Cond {
	c := catalog.Cond{MustExist: p.mustExist, MustNotExist: p.mustNotExist}
	if len(p.versions) > 0 {
		c.Version = p.versions[0] // which is not the present one, unless:
		if slices.Contains(p.versions, current) {
			c.Version = current
		}
	}
	return c
}

// check is for entities whose writes take no condition.
func (p precondition) check(current coursesync.Seq, exists bool) error {
	c := p.cond(current)
	if c.MustExist && !exists || c.MustNotExist && exists || c.Version != 0 && (!exists || c.Version != current) {
		return fault.New("api.precondition", fault.LostUpdate)
	}
	return nil
}

func headerList(r *http.Request, name string) string {
	return strings.TrimSpace(strings.Join(r.Header.Values(name), ","))
}

// entityTags splits a list of entity tags; W/ is dropped, the quotes stay.
func entityTags(header, text string) ([]string, error) {
	bad := badParameter(header, fault.BadValue, "is no list of entity tags", "allowed", `"<version>-<locale>", *`)
	var tags []string
	for text != "" {
		text = strings.TrimPrefix(strings.TrimLeft(text, ", \t"), "W/")
		if text == "" {
			break
		}
		end := strings.IndexByte(text[1:], '"')
		if text[0] != '"' || end < 0 || len(tags) == maxEntityTags {
			return nil, bad
		}
		tags = append(tags, text[:end+2])
		text = strings.TrimLeft(text[end+2:], " \t")
		if text != "" && text[0] != ',' {
			return nil, bad
		}
	}
	if len(tags) == 0 {
		return nil, bad
	}
	return tags, nil
}

func versionIn(tag string) coursesync.Seq {
	number, _, _ := strings.Cut(strings.Trim(tag, `"`), "-")
	v, err := strconv.ParseUint(number, 10, 64)
	if err != nil || v == 0 {
		return noVersion
	}
	return coursesync.Seq(v)
}

// entityTag names a version of something in a language.
func entityTag(version coursesync.Seq, l catalog.Locale) string {
	return fmt.Sprintf(`"%d-%s"`, version, l)
}

// notModified sets the ETag, and answers 304 when the caller holds that version already; it reports whether it did.
func notModified(w http.ResponseWriter, r *http.Request, tag string) bool {
	w.Header().Set("ETag", tag)
	held := headerList(r, "If-None-Match")
	if held == "" {
		return false
	}
	match := held == "*"
	if !match {
		tags, err := entityTags("If-None-Match", held)
		match = err == nil && slices.Contains(tags, tag)
	}
	if match {
		w.WriteHeader(http.StatusNotModified)
	}
	return match
}
