package catalog

import (
	"fmt"
	"strings"
	"testing"
)

// benchCourses is how many courses the benchmarks have.
const benchCourses = 50_000

func fill(b *testing.B, c *Catalog, n int) {
	b.Helper()
	for from := 0; from < n; from += 1_000 {
		must(b, c, System, func(tx *Tx) error {
			for i := from; i < min(from+1_000, n); i++ {
				made, err := benchCourse(tx, i)
				if err != nil {
					return err
				}
				if _, err := tx.PutCourse(made, Cond{}); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// benchCourse has four tags and an instructor of its provider.
func benchCourse(tx *Tx, i int) (Course, error) {
	c := course(CourseID(fmt.Sprintf("course-%06d", i)), Published)
	c.Summary, c.Description = "A summary of about nine words for this course", strings.Repeat("sixty words of description ", 15)
	for k := range 4 {
		tag, err := tx.EnsureTag("", fmt.Sprint("Tag ", (i*7+k*31)%300), English)
		if err != nil {
			return c, err
		}
		c.Tags = append(c.Tags, tag)
	}
	who, err := tx.EnsureInstructor("", "MIT", fmt.Sprint("Person ", i%5_000), "")
	c.Instructors = []InstructorID{who}
	return c, err
}

func BenchmarkImport(b *testing.B) {
	for b.Loop() {
		fill(b, testCatalog(b), 10_000)
	}
	b.ReportMetric(float64(10_000*b.N)/b.Elapsed().Seconds(), "courses/s")
}

func BenchmarkCourses(b *testing.B) {
	c := testCatalog(b)
	fill(b, c, benchCourses)
	for b.Loop() {
		n := 0
		for _, err := range c.Courses(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != benchCourses {
			b.Fatal(n)
		}
	}
}

func BenchmarkCard(b *testing.B) {
	c := testCatalog(b)
	fill(b, c, 1_000)
	for b.Loop() {
		err := c.View(b.Context(), func(v *View) error {
			s, _, err := v.Course("course-000500")
			if err != nil {
				return err
			}
			_, err = v.Card(s, English)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
