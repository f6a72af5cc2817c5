//go:build ignore

// Command pinyin writes pinyin_table.go: how Han characters are read in Mandarin. It reads Unihan_Readings of the Unicode
// Character Database (Debian has it in the package unicode-data):
//
//	cd search/analysis && go run gen/pinyin.go [-unihan FILE]
//
// Traditional characters have no line of their own; what is read in one only is kept for its simplified form (干 is 乾 too).
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/bzip2"
	"flag"
	"fmt"
	"go/format"
	"log"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// perLine is how many bytes of the table a line of source holds at least: as many as in han_table.go.
const perLine = 144

// The characters that have readings: the unified ideographs. Those of the extensions stand in no course.
const first, last = 0x4e00, 0x9fff

func main() {
	log.SetFlags(0)
	file := flag.String("unihan", "/usr/share/unicode/Unihan_Readings.txt.bz2", "Unihan_Readings.txt, packed by bzip2")
	flag.Parse()
	version, fields := unihan(*file)
	image := simplified()
	all := map[rune][]string{}
	for r := rune(first); r <= last; r++ {
		if image[r] == 0 {
			all[r] = readings(fields[r])
		}
	}
	for _, r := range slices.Sorted(maps.Keys(image)) {
		if image[r] < first {
			continue
		}
		// 乾 kept a reading of its own when characters were simplified: then the standard list still has it.
		if fields[r]["kTGHZ2013"] != "" || len(all[image[r]]) == 0 {
			all[image[r]] = union(all[image[r]], readings(fields[r]))
		}
	}
	if err := os.WriteFile("pinyin_table.go", source(version, all), 0o644); err != nil {
		log.Fatal(err)
	}
}

// unihan returns the version of the database and the fields of every character.
func unihan(file string) (version string, fields map[rune]map[string]string) {
	f, err := os.Open(file)
	if err != nil {
		log.Fatal("the Unihan database is missing: install Debian's unicode-data: ", err)
	}
	defer f.Close()
	fields = map[rune]map[string]string{}
	in := bufio.NewScanner(bzip2.NewReader(f))
	for in.Scan() {
		if v, ok := strings.CutPrefix(in.Text(), "# Unicode version: "); ok {
			version = v
		}
		part := strings.Split(in.Text(), "\t")
		if len(part) != 3 {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimPrefix(part[0], "U+"), 16, 32)
		if err != nil {
			log.Fatal(err)
		}
		if fields[rune(n)] == nil {
			fields[rune(n)] = map[string]string{}
		}
		fields[rune(n)][part[1]] = part[2]
	}
	if in.Err() != nil || version == "" {
		log.Fatal("no Unihan database: ", in.Err())
	}
	return version, fields
}

// simplified returns the simplified form of every traditional character, as han_table.go has them.
func simplified() map[rune]rune {
	src, err := os.ReadFile("han_table.go")
	if err != nil {
		log.Fatal(err)
	}
	from, to, ok := strings.Cut(string(src), "const simplified")
	if !ok {
		log.Fatal("han_table.go has no simplified characters")
	}
	_, from, _ = strings.Cut(from, "const traditional")
	han := func(s string) []rune { return []rune(regexp.MustCompile(`\P{Han}+`).ReplaceAllString(s, "")) }
	a, b := han(from), han(to)
	if len(a) != len(b) {
		log.Fatalf("%d traditional characters, %d simplified ones", len(a), len(b))
	}
	image := map[rune]rune{}
	for i, r := range a {
		image[r] = b[i]
	}
	return image
}

// readings returns the toneless readings of a character, the most usual first. Spoken Mandarin decides (kHanyuPinlu counts
// it), then the dictionary of standard characters; older and longer lists answer only for characters that have neither.
func readings(f map[string]string) []string {
	spoken := strings.Fields(f["kHanyuPinlu"])
	slices.SortStableFunc(spoken, func(a, b string) int { return cmp.Compare(times(b), times(a)) })
	var tones []string
	for _, s := range spoken {
		s, _, _ = strings.Cut(s, "(")
		tones = append(tones, s)
	}
	mandarin := strings.Fields(f["kMandarin"])
	listed := located(f["kTGHZ2013"])
	if len(listed) == 0 && len(tones) == 0 {
		listed = located(f["kXHC1983"])
	}
	if len(mandarin) > 0 && (len(listed) == 0 || slices.Contains(listed, mandarin[0])) {
		tones = append(tones, mandarin[0])
	}
	tones = append(tones, listed...)
	var out []string
	for _, t := range tones {
		out = union(out, spellings(t))
	}
	return out
}

// times returns how often a reading was heard, as in háng(218).
func times(s string) int {
	_, n, _ := strings.Cut(strings.TrimSuffix(s, ")"), "(")
	i, err := strconv.Atoi(n)
	if err != nil {
		log.Fatal(err)
	}
	return i
}

// located returns the readings of a field that names their pages, as in 131.140:háng.
func located(s string) []string {
	var out []string
	for _, f := range strings.Fields(s) {
		_, reading, _ := strings.Cut(f, ":")
		out = append(out, reading)
	}
	return out
}

var (
	tone   = strings.NewReplacer("\u0300", "", "\u0301", "", "\u0304", "", "\u030c", "", "e\u0302", "ei", "u\u0308", "v")
	hummed = map[string]string{"n": "en", "ng": "en", "m": "", "hm": "", "hng": "", "r": ""} // 嗯 is typed as en, 儿 as er
)

// spellings returns a reading without its tone, as it is typed: ü as v, or as the u that it loses its dots to.
func spellings(reading string) []string {
	s := tone.Replace(norm.NFD.String(reading))
	if t, ok := hummed[s]; ok {
		s = t
	}
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") != "" {
		log.Fatalf("%q is no pinyin", reading)
	}
	switch {
	case s == "":
		return nil
	case strings.Contains(s, "v"):
		return []string{s, strings.ReplaceAll(s, "v", "u")}
	}
	return []string{s}
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

func source(version string, all map[rune][]string) []byte {
	groups := map[string][]rune{}
	known, several := 0, 0
	for _, r := range slices.Sorted(maps.Keys(all)) {
		if n := len(all[r]); n > 0 {
			key := strings.Join(all[r], ",")
			groups[key] = append(groups[key], r)
			known++
			if n > 1 {
				several++
			}
		}
	}
	var b bytes.Buffer
	b.WriteString("// Code generated by gen/pinyin.go; DO NOT EDIT.\n//\n")
	fmt.Fprintf(&b, "// Made from Unihan_Readings of the Unicode Character Database %s (kHanyuPinlu, kTGHZ2013, kMandarin, kXHC1983),\n", version)
	fmt.Fprintf(&b, "// © Unicode, Inc., under the Unicode License: %d simplified characters, %d of which have several readings.\n\n", known, several)
	b.WriteString("package analysis\n\n")
	b.WriteString("// pinyinTable holds the toneless readings of characters, the most usual first, each list before all characters that it\n")
	fmt.Fprintf(&b, "// belongs to: %d lists.\nconst pinyinTable = \"\" +\n", len(groups))
	var line strings.Builder
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		line.WriteString(key)
		for _, r := range groups[key] {
			if line.Len() >= perLine {
				fmt.Fprintf(&b, "%q +\n", line.String())
				line.Reset()
			}
			line.WriteRune(r)
		}
	}
	fmt.Fprintf(&b, "%q\n", line.String())
	out, err := format.Source(b.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	return out
}
