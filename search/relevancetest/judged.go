package relevancetest

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
)

// Grade says what a course is worth to who asked.
type Grade int

// The grades. Good and better count as found.
const (
	Nothing Grade = iota
	Related
	Good
	Perfect
)

// Query is a query with the courses that should be found.
type Query struct {
	Locale   catalog.Locale // the language of who asks
	Category string         // what kind of query it is: "title", "typo" …
	Text     string
	Grades   map[catalog.CourseID]Grade
}

// Good returns how many courses are worth finding.
func (q Query) Good() int {
	n := 0
	for _, g := range q.Grades {
		if g >= Good {
			n++
		}
	}
	return n
}

// Categories of queries, each with what it asks of search.
var Categories = []string{
	"title",       // all or most words of a title
	"topic",       // what a course is about
	"tag",         // the name of a tag
	"instructor",  // who teaches
	"provider",    // who offers
	"inflection",  // another form of the words: plural, feminine, verb
	"typo",        // a slip of the hand
	"accentless",  // French without its accents, or in upper case
	"mixed",       // two scripts
	"part",        // the beginning of a word, as it is typed
	"traditional", // traditional Chinese characters
	"pinyin",      // full or initials
	"code",        // numbers, course codes and names such as C++
	"long",        // five words and more, as people ask people
	"synonym",     // other words for the same thing
	"other-words", // in another language than that of the course
}

// maxGood is how many courses of a query may be worth finding. More would not fit on the page that recall looks at, and nobody could judge all.
const maxGood = 20

// ReadQueries reads a file of judged queries.
func ReadQueries(path string) ([]Query, error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []Query
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if err := addLine(&list, strings.TrimSpace(lines.Text())); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	for _, q := range list {
		if n := q.Good(); n == 0 || n > maxGood {
			return nil, fmt.Errorf("%s: %q has %d courses worth finding; 1 to %d can be measured", path, q.Text, n, maxGood)
		}
	}
	return list, lines.Err()
}

func addLine(list *[]Query, line string) error {
	if line == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	if head, text, found := strings.Cut(strings.TrimPrefix(line, "["), "]"); found && line[0] == '[' {
		locale, category, _ := strings.Cut(head, " ")
		l, ok := catalog.CanonicalLocale(locale)
		if !ok || !slices.Contains(Categories, category) {
			return fmt.Errorf("%q is no locale and category", head)
		}
		q := Query{Locale: l, Category: category, Text: strings.TrimSpace(text), Grades: map[catalog.CourseID]Grade{}}
		if slices.ContainsFunc(*list, func(o Query) bool { return o.Text == q.Text && o.Locale == q.Locale }) {
			return fmt.Errorf("%q is there twice", q.Text)
		}
		*list = append(*list, q)
		return nil
	}
	fields := strings.Fields(line)
	g := Grade(line[0] - '0')
	if len(*list) == 0 || len(fields[0]) != 1 || g < Related || g > Perfect {
		return fmt.Errorf("%q is neither a query nor a grade", line)
	}
	q := (*list)[len(*list)-1]
	for _, id := range fields[1:] {
		if q.Grades[catalog.CourseID(id)] != Nothing {
			return fmt.Errorf("%s is judged twice", id)
		}
		q.Grades[catalog.CourseID(id)] = g
	}
	return nil
}
