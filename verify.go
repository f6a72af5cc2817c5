package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/search"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// The parts of a data folder, with what mends each.
const (
	partLog    = "changelog"
	partTables = "tables"
	partIndex  = "search index"
	partFiles  = "files"

	fixLog     = "put a backup in its place: carrel restore FILE"
	fixDerived = "build it again from the changelog: carrel reindex"
	fixFiles   = "copy what is wrong from your copy of the folder files, or let editors upload it again"
)

// verdict is what verify found, as --json prints it.
type verdict struct {
	Log struct {
		ID         coursesync.LogID `json:"id"`
		Head       coursesync.Seq   `json:"head"`
		Entities   int              `json:"entities"`
		Tombstones int              `json:"tombstones"`
		Courses    int              `json:"courses"`
	} `json:"log"`
	Tables struct {
		Rows   int  `json:"rows"`
		Absent bool `json:"absent"` // they will be built at the next start
	} `json:"tables"`
	Index struct {
		State     search.IndexState `json:"state,omitempty"` // "" when it was not looked at
		Documents int               `json:"documents"`
		Trails    int               `json:"trails"`
	} `json:"index"`
	Files struct {
		Count  int   `json:"count"`
		Bytes  int64 `json:"bytes"`
		Hashed bool  `json:"hashed"` // --deep: their bytes were looked at too
	} `json:"files"`
	Problems []trouble `json:"problems"`
	More     int       `json:"more_problems"` // that are not listed
}

// trouble is one thing that is wrong.
type trouble struct {
	Part   string `json:"part"`
	Detail string `json:"detail"`
	Fix    string `json:"fix"`
}

func (v *verdict) add(part, fix string, found coursesync.Findings) {
	for _, one := range found.List {
		v.Problems = append(v.Problems, trouble{part, one, fix})
	}
	v.More += found.More
}

// digest is a line of what a channel holds of a kind. The sum is text: readers of JSON lose the last digits of such numbers.
type digest struct {
	Channel coursesync.Channel `json:"channel"`
	Kind    coursesync.Kind    `json:"kind"`
	Count   int                `json:"count"`
	Sum     string             `json:"sum"`
}

// verify reads all of a data folder, or of a backup, and changes nothing.
func (p program) verify(ctx context.Context, args []string) error {
	f := newFlags("verify", "[FILE] [flags]", p.getenv, p.stderr)
	data := f.text("data", "./data", "data `FOLDER`, while no server holds it")
	asJSON := f.boolean("json", "print the findings as JSON, with count and digest of each channel and kind")
	deep := f.boolean("deep", "read the files of courses too, and compare them with their hashes")
	words, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(words) > 1 {
		return f.wrong("name one backup, or none to check the data folder")
	}
	d := folder(*data)
	what := subject{log: d.log(), index: d.index(), files: d.files(), deep: *deep}
	if len(words) == 1 {
		what = subject{log: words[0]}
	}
	if _, err := os.Stat(what.log); err != nil && what.index != "" {
		return fmt.Errorf("there is no catalog in %s", *data)
	} else if err != nil {
		return err
	}
	out := bufio.NewWriter(p.stdout)
	v, err := examine(ctx, what, digests(out, *asJSON))
	if err != nil {
		return errors.Join(err, out.Flush())
	}
	if *asJSON {
		err = v.finishJSON(out)
	} else {
		v.print(out, what.index != "")
	}
	if err = errors.Join(err, out.Flush()); err != nil {
		return err
	}
	return v.err()
}

// subject is what verify looks at: a changelog, and the folders that belong to it unless they are "".
type subject struct {
	log, index, files string
	deep              bool
}

// examine checks a changelog and what belongs to it.
func examine(ctx context.Context, what subject, channel func(coursesync.Channel, map[coursesync.Kind]coursesync.Digest) error) (*verdict, error) {
	v := &verdict{Problems: []trouble{}}
	c, err := catalog.Open(catalog.Config{Path: what.log, ReadOnly: true})
	if fault.Is(err, fault.Corrupt) {
		v.add(partLog, fixLog, coursesync.Findings{List: []string{errors.Unwrap(err).Error()}})
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	return v, errors.Join(v.look(ctx, c, what, channel), c.Close())
}

func (v *verdict) look(ctx context.Context, c *catalog.Catalog, what subject, channel func(coursesync.Channel, map[coursesync.Kind]coursesync.Digest) error) error {
	found, err := c.Verify(ctx, "", channel)
	if err != nil {
		return err
	}
	v.Log.ID, v.Log.Head, v.Log.Entities, v.Log.Tombstones, v.Log.Courses = c.Log().ID(), found.Log.Head, found.Log.Live, found.Log.Tombstones, found.Courses
	v.add(partLog, fixLog, found.Log.Wrong)
	if len(v.Problems) > 0 {
		return nil // all else would be compared with what is wrong
	}
	v.Tables.Rows, v.Tables.Absent = found.Tables.Rows, found.Tables.Absent
	v.add(partTables, fixDerived, found.Tables.Wrong)
	if what.files != "" {
		if err := v.lookAtFiles(ctx, c, what.files, what.deep); err != nil {
			return err
		}
	}
	if what.index == "" {
		return nil
	}
	i, err := search.Verify(ctx, what.index, c)
	if err != nil {
		return err
	}
	v.Index.State, v.Index.Documents, v.Index.Trails = i.State, i.Documents, i.Trails
	v.add(partIndex, fixDerived, i.Wrong)
	return nil
}

// digests returns what takes the digests of channels: they are printed as they come, because there is a channel for each learner.
func digests(out io.Writer, asJSON bool) func(coursesync.Channel, map[coursesync.Kind]coursesync.Digest) error {
	if !asJSON {
		return nil
	}
	before := "" // what stands before a line
	_, _ = io.WriteString(out, `{"digest":[`)
	return func(channel coursesync.Channel, kinds map[coursesync.Kind]coursesync.Digest) error {
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			d := kinds[kind]
			line, err := json.Marshal(digest{channel, kind, d.Count, strconv.FormatUint(d.Sum, 10)})
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(out, "%s\n%s", before, line); err != nil {
				return err
			}
			before = ","
		}
		return nil
	}
}

// finishJSON prints what comes after the digests.
func (v *verdict) finishJSON(out io.Writer) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "],\n%s\n", text[1:])
	return err
}

// print tells people.
func (v *verdict) print(out io.Writer, withIndex bool) {
	for _, t := range v.Problems {
		_, _ = fmt.Fprintf(out, "%s: %s\n", t.Part, t.Detail)
	}
	if v.More > 0 {
		_, _ = fmt.Fprintf(out, "and %d more\n", v.More)
	}
	clean := func(part, format string, args ...any) {
		if !slices.ContainsFunc(v.Problems, func(t trouble) bool { return t.Part == part || t.Part == partLog }) {
			_, _ = fmt.Fprintf(out, "%s: %s\n", part, fmt.Sprintf(format, args...))
		}
	}
	clean(partLog, "%d entities, %d courses, %d tombstones: all can be read, and named as they are", v.Log.Entities, v.Log.Courses, v.Log.Tombstones)
	if v.Tables.Absent {
		clean(partTables, "not there; they are built at the next start")
	} else {
		clean(partTables, "%d rows, as built anew", v.Tables.Rows)
	}
	if v.Files.Count > 0 {
		clean(partFiles, "%d of %d bytes, all there%s", v.Files.Count, v.Files.Bytes, map[bool]string{true: ", with the bytes that they came with"}[v.Files.Hashed])
	}
	if withIndex {
		clean(partIndex, "%s", v.index())
	}
}

// index says how an index is in which nothing is wrong.
func (v *verdict) index() string {
	switch v.Index.State {
	case search.IndexTrailing:
		if v.Index.Documents == 0 {
			return fmt.Sprintf("trails by %d changes, which the next start reads: too many to compare it", v.Index.Trails)
		}
		return fmt.Sprintf("%d documents, as the catalog says; trails by %d changes, which the next start reads", v.Index.Documents, v.Index.Trails)
	case search.IndexExpired:
		return "of another changelog, of one before a restore, or too far behind; it is built again at the next start"
	case search.IndexMissing:
		return "not there, or not finished; it is built at the next start"
	case search.IndexForeign:
		return "written by another version; it is built again at the next start"
	case search.IndexCurrent:
	}
	return fmt.Sprintf("%d documents, as the catalog says", v.Index.Documents)
}

// err says what to do.
func (v *verdict) err() error {
	if len(v.Problems) == 0 {
		return nil
	}
	var fixes []string
	for _, t := range v.Problems {
		if line := fmt.Sprintf("\n  %s: %s", t.Part, t.Fix); !slices.Contains(fixes, line) {
			fixes = append(fixes, line)
		}
	}
	return fmt.Errorf("%d things are wrong%s", len(v.Problems)+v.More, strings.Join(fixes, ""))
}
