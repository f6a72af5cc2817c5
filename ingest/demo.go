package ingest

import (
	"bytes"
	"embed"
	"io"
	"io/fs"
	"path"
)

// The demo catalog is a folder of CSV files of our own, loaded through the importer like anyone's.
//
//go:embed demo/*.csv
var demo embed.FS

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

type inMemory struct{ *bytes.Reader }

// Close does nothing.
func (inMemory) Close() error { return nil }
