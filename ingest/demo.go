package ingest

import (
	"bytes"
	"embed"
	"encoding/json"
	"io"
	"io/fs"
	"path"

	"github.com/carrel-lms/carrel/catalog"
)

// The demo catalog is a folder of CSV files of our own, loaded through the importer like anyone's.
//
//go:embed demo/*.csv
var demo embed.FS

// demoSynonyms are its synonyms, which no file that is imported holds.
//
//go:embed demo/synonyms.json
var demoSynonyms []byte

// Demo returns the files of the demo catalog.
func Demo() []File {
	entries, _ := fs.ReadDir(demo, "demo") // embedded: it is there
	var files []File
	for _, e := range entries {
		files = append(files, File{Name: e.Name(), Open: func() (io.ReadSeekCloser, error) {
			text, err := demo.ReadFile(path.Join("demo", e.Name()))
			return inMemory{bytes.NewReader(text)}, err
		}})
	}
	return files
}

// PutDemoSynonyms writes the synonyms of the demo catalog: words that learners use and its courses do not.
func PutDemoSynonyms(tx *catalog.Tx) error {
	var synonyms []catalog.Synonym
	if err := json.Unmarshal(demoSynonyms, &synonyms); err != nil {
		return err
	}
	for _, s := range synonyms {
		if _, err := tx.PutSynonym(s, catalog.Cond{}); err != nil {
			return err
		}
	}
	return nil
}

type inMemory struct{ *bytes.Reader }

// Close does nothing.
func (inMemory) Close() error { return nil }
