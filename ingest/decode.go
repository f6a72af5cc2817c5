package ingest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	utf "golang.org/x/text/encoding/unicode"

	"github.com/carrel-lms/carrel/fault"
)

// Encoding names how a file's bytes become text.
type Encoding string

// The encodings that are understood. Mandarin Excel writes GB18030, Western Excel Windows-1252, both sometimes UTF-16.
const (
	UTF8        Encoding = "utf-8"
	UTF16       Encoding = "utf-16"
	Windows1252 Encoding = "windows-1252"
	GB18030     Encoding = "gb18030"
)

// sniffBytes is how much of a file is looked at to tell GB18030 from Windows-1252.
const sniffBytes = 256 << 10

var (
	bomUTF8   = []byte{0xef, 0xbb, 0xbf}
	bomUTF16s = [][]byte{{0xff, 0xfe}, {0xfe, 0xff}}
)

// decoder returns r's text as UTF-8 without byte order mark, having looked at the whole file to find its encoding
// when none is given: one bad byte at the end decides against UTF-8.
func decoder(r io.ReadSeeker, as Encoding) (io.Reader, Encoding, error) {
	if as == "" {
		guess, err := sniff(r)
		if err != nil {
			return nil, "", err
		}
		as = guess
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, "", err
	}
	var e encoding.Encoding
	switch as {
	case UTF8:
		e = utf.UTF8BOM
	case UTF16:
		e = utf.UTF16(utf.LittleEndian, utf.UseBOM)
	case Windows1252:
		e = charmap.Windows1252
	case GB18030:
		e = simplifiedchinese.GB18030
	default:
		return nil, "", fault.Invalid("ingest.decode", fault.BadField("encoding", fault.BadValue,
			fmt.Sprintf("%q is no encoding that is understood: use utf-8, utf-16, windows-1252 or gb18030", as), "allowed", "utf-8, utf-16, windows-1252, gb18030"))
	}
	return e.NewDecoder().Reader(r), as, nil
}

func sniff(r io.ReadSeeker) (Encoding, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	buf := bufio.NewReaderSize(r, sniffBytes)
	head, err := buf.Peek(sniffBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	for _, bom := range bomUTF16s {
		if bytes.HasPrefix(head, bom) {
			return UTF16, nil
		}
	}
	sample := bytes.Clone(head)
	valid, err := validUTF8(buf)
	switch {
	case err != nil:
		return "", err
	case valid || bytes.HasPrefix(sample, bomUTF8):
		return UTF8, nil
	case looksChinese(sample):
		return GB18030, nil
	default:
		return Windows1252, nil
	}
}

// validUTF8 reads r to its end.
func validUTF8(r *bufio.Reader) (bool, error) {
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return utf8.Valid(line[:len(line)-utf8.UTFMax]), nil // a line of 256 kB: not text that we read anyway
		}
		if !utf8.Valid(line) {
			return false, nil
		}
		if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// looksChinese reports whether the bytes, read as GB18030, are mostly common Han characters where they are not ASCII.
func looksChinese(sample []byte) bool {
	text, err := simplifiedchinese.GB18030.NewDecoder().Bytes(sample)
	if err != nil {
		return false
	}
	han, other := 0, 0
	for _, c := range string(text) {
		switch {
		case c < utf8.RuneSelf:
		case unicode.Is(unicode.Han, c) || c >= 0x3000 && c <= 0x303f || c >= 0xff00 && c <= 0xffef:
			han++
		default:
			other++
		}
	}
	const most = 9 // of ten
	return han > 0 && han >= most*other && !bytes.ContainsRune(text, utf8.RuneError)
}

// sniffDelimiter picks the delimiter that the header line uses most outside quotes; comma when there is none.
func sniffDelimiter(header string) rune {
	best, most := ',', 0
	bare := outsideQuotes(header)
	for _, d := range []rune{',', ';', '\t'} {
		if n := strings.Count(bare, string(d)); n > most {
			best, most = d, n
		}
	}
	return best
}

func outsideQuotes(line string) string {
	parts := strings.Split(line, `"`)
	var b strings.Builder
	for i := 0; i < len(parts); i += 2 {
		b.WriteString(parts[i])
	}
	return b.String()
}
