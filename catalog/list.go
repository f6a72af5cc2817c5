package catalog

import (
	"context"
	"iter"
	"slices"
	"strings"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// maxPage bounds Page.Limit, as CONTRACT says.
const maxPage = 100

// Page asks for a part of a list: at most Limit items (1–100) after the key After.
type Page struct {
	Limit int
	After string // the key of the last item of the page before; "" starts
}

// limit brings Limit into its bounds.
func (p Page) limit() int { return min(max(p.Limit, 1), maxPage) }

// List is a page of a list; Next is "" at the end, else the key for Page.After.
type List[T any] struct {
	Items []T
	Next  string
}

// lister fills a page.
type lister[T any] struct {
	limit int
	list  List[T]
	last  string
}

// add adds an item with its key; it reports whether there is room for more. The first item that has none becomes Next's reason.
func (l *lister[T]) add(key string, item T) bool {
	if len(l.list.Items) == l.limit {
		l.list.Next = l.last
		return false
	}
	l.list.Items = append(l.list.Items, item)
	l.last = key
	return true
}

// ListCourses lists by id what the actor may see and that is in one of states (published when none is given). Drafts and archived
// courses are listed for their editors and translators only.
func (c *Catalog) ListCourses(ctx context.Context, actor Actor, states []State, p Page) (List[Stored[Course]], error) {
	if len(states) == 0 {
		states = []State{Published}
	}
	after := nfc(p.After)
	var list List[Stored[Course]]
	err := c.View(ctx, func(v *View) error {
		l := lister[Stored[Course]]{limit: p.limit()}
		var ids []string
		for _, state := range unique(states) {
			ids = append(ids, v.courseIDs(actor, state, after, l.limit+1)...)
		}
		slices.Sort(ids)
		for _, id := range ids {
			s, ok, err := v.Course(CourseID(id))
			if err != nil {
				return err
			}
			if ok && !l.add(id, s) {
				break
			}
		}
		list = l.list
		return nil
	})
	return list, err
}

// courseIDs returns the first n ids after a key of the courses in a state that an actor sees.
func (v *View) courseIDs(actor Actor, state State, after string, n int) []string {
	sees, prefix := actor.Sees, ""
	if state != Published { // archived courses leave lists for all but those who can bring them back
		sees = actor.SeesDrafts
		if actor.Org != "" {
			prefix = inOrg(actor.Org, "") // all that such an actor can see
		}
	}
	head := joinKey(string(state), "")
	rows := func(after string) iter.Seq[string] {
		return func(yield func(string) bool) {
			if after != "" {
				after = head + after
			}
			for key := range v.tables().scan(tableStateCourses, head+prefix, after) {
				if !yield(string(key[len(head):])) {
					return
				}
			}
		}
	}
	var ids []string
	for id := range leaping(rows, sees, after, func(id string) string { return id }) {
		if ids = append(ids, id); len(ids) == n {
			break
		}
	}
	return ids
}

// leaping yields what an actor sees of rows in order of key. The ids of an organization lie together, so an invisible one's are leapt
// over: a list costs its own length and one seek for each organization that is passed.
func leaping[T any](rows func(after string) iter.Seq[T], sees func(OrgID) bool, after string, id func(T) string) iter.Seq[T] {
	return func(yield func(T) bool) {
		for {
			leap := ""
			for row := range rows(after) {
				org := OrgOf(id(row))
				if sees(org) {
					if !yield(row) {
						return
					}
					continue
				}
				if org != "" {
					leap = inOrg(org, endOfKeys)
					break
				}
			}
			if leap == "" {
				return
			}
			after = leap
		}
	}
}

// listOf lists the entities of a kind that an actor sees, by id.
func listOf[T any](ctx context.Context, c *Catalog, kind coursesync.Kind, actor Actor, p Page) (List[Stored[T]], error) {
	return listSeen[T](ctx, c, kind, actor.Sees, p)
}

// listSeen lists by id the entities of a kind that are of the organizations seen.
func listSeen[T any](ctx context.Context, c *Catalog, kind coursesync.Kind, sees func(OrgID) bool, p Page) (List[Stored[T]], error) {
	var list List[Stored[T]]
	err := c.View(ctx, func(v *View) error {
		l := lister[Stored[T]]{limit: p.limit()}
		rows := func(after string) iter.Seq[coursesync.Change] { return entities(v, kind, "", after) }
		for ch := range leaping(rows, sees, nfc(p.After), func(ch coursesync.Change) string { return ch.Key }) {
			s, err := decode[T](ch)
			if err != nil {
				return err
			}
			if !l.add(ch.Key, s) {
				break
			}
		}
		list = l.list
		return nil
	})
	return list, err
}

// ListInstructors lists by id the instructors that the actor may see.
func (c *Catalog) ListInstructors(ctx context.Context, actor Actor, p Page) (List[Stored[Instructor]], error) {
	return listOf[Instructor](ctx, c, KindInstructor, actor, p)
}

// ListTags lists by id the tags that the actor may see.
func (c *Catalog) ListTags(ctx context.Context, actor Actor, p Page) (List[Stored[Tag]], error) {
	return listOf[Tag](ctx, c, KindTag, actor, p)
}

// ListCategories lists by id the categories that the actor may see.
func (c *Catalog) ListCategories(ctx context.Context, actor Actor, p Page) (List[Stored[Category]], error) {
	return listOf[Category](ctx, c, KindCategory, actor, p)
}

// Courses yields every course in order of id, in short reads of its own (so not of one moment). For rebuilds and exports.
func (c *Catalog) Courses(ctx context.Context) iter.Seq2[Stored[Course], error] {
	return func(yield func(Stored[Course], error) bool) {
		chunk := make([]Stored[Course], 0, coursesync.ReadChunk)
		for after := ""; ; after = string(chunk[len(chunk)-1].Value.ID) {
			chunk = chunk[:0]
			err := c.View(ctx, func(v *View) (err error) {
				chunk, err = courseChunk(v, after, chunk)
				return err
			})
			if err != nil {
				yield(Stored[Course]{}, err)
				return
			}
			for _, s := range chunk {
				if !yield(s, nil) {
					return
				}
			}
			if len(chunk) < coursesync.ReadChunk {
				return
			}
		}
	}
}

// courseChunk appends courses after an id until chunk is full.
func courseChunk(v *View, after string, chunk []Stored[Course]) ([]Stored[Course], error) {
	for ch := range entities(v, KindCourse, "", after) {
		s, err := decode[Course](ch)
		if err != nil {
			return chunk, err
		}
		if chunk = append(chunk, s); len(chunk) == cap(chunk) {
			break
		}
	}
	return chunk, nil
}

// namedBy returns the ids of what names an entity by a table, in order; within a transaction its own writes count. rows says what the table holds
// of a body.
func namedBy[T any](v *View, table, head string, kind coursesync.Kind, rows func(body *T, id string) map[row]bool) ([]string, error) {
	prefix := joinKey(head, "")
	var ids []string
	for key := range v.tables().scan(table, prefix, "") {
		id := strings.TrimPrefix(string(key), prefix)
		if v.overlay == nil || v.overlay.writes[kind][id] == nil {
			ids = append(ids, id)
		}
	}
	if v.overlay == nil {
		return ids, nil
	}
	for id, w := range v.overlay.writes[kind] {
		body, err := liveBody[T](w.change)
		if err != nil {
			return nil, err
		}
		if body != nil && rows(body, id)[row{table, prefix + id}] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func (v *View) coursesIn(table, head string) ([]CourseID, error) {
	ids, err := namedBy(v, table, head, KindCourse, refRows)
	list := make([]CourseID, len(ids))
	for i, id := range ids {
		list[i] = CourseID(id)
	}
	return list, err
}

// CoursesWithTag returns the ids of the courses, in any state, that name a tag; likewise the next two. Search re-indexes them when a label changes.
func (v *View) CoursesWithTag(id TagID) ([]CourseID, error) {
	return v.coursesIn(tableTagCourses, string(id))
}

// CoursesWithCategory is like [View.CoursesWithTag]; courses of categories below are not among them.
func (v *View) CoursesWithCategory(id CategoryID) ([]CourseID, error) {
	return v.coursesIn(tableCategoryCourses, string(id))
}

// CoursesWithInstructor is like [View.CoursesWithTag].
func (v *View) CoursesWithInstructor(id InstructorID) ([]CourseID, error) {
	return v.coursesIn(tableInstructorCourses, string(id))
}

// Subcategories returns the ids of the categories whose parent is id.
func (v *View) Subcategories(id CategoryID) ([]CategoryID, error) {
	ids, err := namedBy(v, tableChildren, string(id), KindCategory, func(l *labelled, id string) map[row]bool {
		return labelRows(l, KindCategory, id)
	})
	list := make([]CategoryID, len(ids))
	for i, id := range ids {
		list[i] = CategoryID(id)
	}
	return list, err
}
