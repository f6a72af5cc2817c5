package search_test

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/searchtest"
)

func cpu() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func TestZZ(t *testing.T) {
	if os.Getenv("ZZ") == "" {
		t.Skip()
	}
	l := benchLanguages[0]
	if os.Getenv("ZZ") == "3" {
		l = benchLanguages[1]
	}
	_, x := filled(t, l.options)
	o := searchtest.CommonWords(catalog.English, l.options)
	time.Sleep(6 * time.Second)
	for _, b := range []struct {
		name string
		req  search.Request
	}{
		{"everything", search.Request{}},
		{"filtered", search.Request{Tags: []string{"tag-0"}, Levels: []string{"beginner"}}},
		{"commonest", search.Request{Q: o[0] + " -xxxx"}},
		{"three", search.Request{Q: o[3] + " " + o[4] + " " + o[5] + " -xxxx"}},
		{"prefix1", search.Request{Q: "p"}},
		{"prefix3", search.Request{Q: o[0][:3]}},
		{"rare", search.Request{Q: o[3000] + " " + o[300]}},
		{"typo", search.Request{Q: o[300] + "z"}},
		{"title", search.Request{Sort: "title"}},
	} {
		b.req.Facets = []string{"tags", "category", "level", "language", "provider", "rating"}
		find(t, x, b.req)
		if w := os.Getenv("ZW"); w != "" && w != b.name {
			continue
		}
		c, n := cpu(), 0
		best := time.Hour
		for n < 600 {
			s := time.Now()
			find(t, x, b.req)
			best = min(best, time.Since(s))
			n++
		}
		fmt.Printf("%-12s cpu %.2f ms best %.2f ms\n", b.name, float64((cpu()-c).Microseconds())/1000/float64(n), float64(best.Microseconds())/1000)
	}
}

func TestZB(t *testing.T) {
	if os.Getenv("ZZ") == "" {
		t.Skip()
	}
	for _, l := range benchLanguages {
		c := newCatalog(t)
		if err := searchtest.Fill(t.Context(), c, l.options); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		x := openIndex(t, c, dir)
		s, k := time.Now(), cpu()
		catchUp(t, c, x)
		fmt.Printf("%s cpu %.1f s wall %.1f s\n", l.name, (cpu() - k).Seconds(), time.Since(s).Seconds())
		var r syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &r)
		fmt.Println("cpu maxrss MB", r.Maxrss/1024)
		x.Close()
		s, k = time.Now(), cpu()
		x = openIndex(t, c, dir)
		fmt.Printf("open %s cpu %.1f s wall %.1f s\n", l.name, (cpu() - k).Seconds(), time.Since(s).Seconds())
		x.Close()
	}
}
