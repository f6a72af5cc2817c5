package ingest

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	utf "golang.org/x/text/encoding/unicode"
)

// readAll returns the rows that can be read and "line:code" of the others.
func readAll(t *testing.T, text string) (header []string, rows [][]string, bad []string) {
	t.Helper()
	rs, err := openRecords(strings.NewReader(text), 0)
	if err != nil {
		t.Fatal(err)
	}
	for {
		rec, e, err := rs.read()
		if errors.Is(err, io.EOF) {
			return rs.header, rows, bad
		}
		if err != nil {
			t.Fatal(err)
		}
		if e != nil {
			bad = append(bad, strings.Join([]string{string(rune('0' + e.Line)), e.Code}, ":"))
			continue
		}
		rows = append(rows, rec.cells)
	}
}

func TestRecords(t *testing.T) {
	for _, c := range []struct {
		name, text string
		rows       [][]string
		bad        []string
	}{
		{"plain", "id,title\n1,a\n2,b", [][]string{{"1", "a"}, {"2", "b"}}, nil},
		{"crlf and blank lines", "id,title\r\n1,a\r\n\r\n,\r\n2,b\r\n", [][]string{{"1", "a"}, {"2", "b"}}, nil},
		{"semicolons", "id;title\n1;a,b\n", [][]string{{"1", "a,b"}}, nil},
		{"tabs", "id\ttitle\n1\ta;b,c\n", [][]string{{"1", "a;b,c"}}, nil},
		{"sep line", "sep=;\nid;title\n1;a\n", [][]string{{"1", "a"}}, nil},
		{"line break in a cell", "id,title\n1,\"a\nb\"\n2,c\n", [][]string{{"1", "a\nb"}, {"2", "c"}}, nil},
		{"doubled quotes", "id,title\n1,\"say \"\"hi\"\"\"\n", [][]string{{"1", `say "hi"`}}, nil},
		{"quote never closed", "id,title\n1,\"a\n2,b\n3,c\n", [][]string{{"2", "b"}, {"3", "c"}}, []string{"2:broken-quote"}},
		{"bare quote", "id,title\n1,5\" pipe\n2,b\n", [][]string{{"2", "b"}}, []string{"2:broken-quote"}},
		{"two bare quotes", "id,title\n1,5\" pipe\n2,6\" pipe\n3,c\n", [][]string{{"3", "c"}}, []string{"2:broken-quote", "3:broken-quote"}},
		{"too few", "id,title\n1\n2,b\n", [][]string{{"2", "b"}}, []string{"2:wrong-columns"}},
		{"too many", "id,title\n1,a,x\n2,b,,\n", [][]string{{"2", "b"}}, []string{"2:wrong-columns"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, rows, bad := readAll(t, c.text)
			if diff := cmp.Diff(c.rows, rows); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.bad, bad); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHeaderIsRefused(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "twice": "id,title,id\n1,a,2\n", "broken": "id,\"title\n"} {
		if _, err := openRecords(strings.NewReader(text), 0); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestEncodings(t *testing.T) {
	const french, chinese = "id,title\n1,Élève à Noël\n", "id,title\n1,数据结构与算法（第二版）\n"
	encode := func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		name string
		in   []byte
		as   Encoding
		want string
	}{
		{"utf-8", []byte(french), UTF8, french},
		{"utf-8 with a mark", []byte("\ufeff" + french), UTF8, french},
		{"windows-1252", encode(charmap.Windows1252.NewEncoder().Bytes([]byte(french))), Windows1252, french},
		{"gb18030", encode(simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(chinese))), GB18030, chinese},
		{"utf-16 little", encode(utf.UTF16(utf.LittleEndian, utf.UseBOM).NewEncoder().Bytes([]byte(chinese))), UTF16, chinese},
		{"utf-16 big", encode(utf.UTF16(utf.BigEndian, utf.UseBOM).NewEncoder().Bytes([]byte(french))), UTF16, french},
	} {
		r, as, err := decoder(bytes.NewReader(c.in), "")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if as != c.as || string(got) != c.want {
			t.Errorf("%s: %s %q, want %s %q", c.name, as, got, c.as, c.want)
		}
	}
}

func FuzzRecords(f *testing.F) {
	for _, seed := range []string{"id,title\n1,a\n", "a;b\n\"x\ny\";z\n", "sep=|\na|b\n1|\"", "a\tb\n\"\"\"\t\n", "\ufeffid\r\n1\r\n\"2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rs, err := openRecords(strings.NewReader(text), 0)
		if err != nil {
			return
		}
		last, lines := 0, strings.Count(text, "\n")+1
		for {
			rec, bad, err := rs.read()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			line := rec.line
			if bad != nil {
				line = bad.Line
			} else if len(rec.cells) != len(rs.header) {
				t.Fatalf("line %d: %d cells for %d columns", line, len(rec.cells), len(rs.header))
			}
			if line <= last || line > lines {
				t.Fatalf("line %d after %d of %d", line, last, lines)
			}
			last = line
		}
	})
}
