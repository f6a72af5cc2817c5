package search

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/carrel-lms/carrel/search/analysis"
)

// The folder of an [Index] holds indexes in folders of their own, and a small file that names the one that is served:
//
//	live          "index-000002"
//	index-000002  bleve's files, and version, which says what wrote them
//	index-000003  one that is being built beside it; left over from a kill, the next start removes it
//	set-aside     the last one that could not be used, for whoever wants to know why
//
// An index becomes the live one when the file is replaced, by a rename: before it the old one is whole and named, after it the new one is.
const (
	liveFile    = "live"
	versionFile = "version"
	asideFolder = "set-aside"
	indexPrefix = "index-"

	// oldFolder is where the index was before there were several. No program of today can read it.
	oldFolder = "index"
)

// storeFormat says what this program can still search. Raise it with a change after which an index that was written before would be
// read wrongly: a term's frequency that means something else, a field that is missed. An index of another format is set aside at once,
// while one that differs in its mapping or its analyzers only goes on serving until the new one is built.
const storeFormat = 1

// version says what wrote an index.
type version struct{ format, mapping, analysis int }

var ownVersion = version{storeFormat, mappingVersion, analysis.Version}

// String is the text of a version file.
func (v version) String() string {
	return fmt.Sprintf("format %d, mapping %d, analysis %d\n", v.format, v.mapping, v.analysis)
}

// errForeign says that an index was written by a program that this one does not understand.
var errForeign = errors.New("it was written by another version")

// readVersion reads the version file of an index that this program can search.
func readVersion(path string) (version, error) {
	text, err := os.ReadFile(filepath.Join(path, versionFile)) //nolint:gosec // in the folder that the administrator chose
	if err != nil {
		return version{}, errors.New("its version file is missing")
	}
	var v version
	_, err = fmt.Sscanf(string(text), "format %d, mapping %d, analysis %d\n", &v.format, &v.mapping, &v.analysis)
	if err != nil || v.String() != string(text) || v.format != storeFormat {
		return version{}, errForeign
	}
	return v, nil
}

// readLive returns the name of the index that is served; fs.ErrNotExist when there never was one.
func readLive(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, liveFile)) //nolint:gosec // in the folder that the administrator chose
	if err != nil {
		return "", err
	}
	name, whole := strings.CutSuffix(string(text), "\n")
	if _, ok := numberOf(name); !ok || !whole {
		return "", fmt.Errorf("the file %s is damaged", liveFile)
	}
	return name, nil
}

// writeLive makes an index the one that is served. When it returns, the next start finds it, also after the power fails.
func writeLive(dir, name string) error {
	return writeFile(filepath.Join(dir, liveFile), name+"\n")
}

// writeFile replaces a small file, durably.
func writeFile(path, text string) error {
	if info, err := os.Lstat(path); err == nil && info.IsDir() { // nobody knows why, and it must not keep the server from starting
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	next := path + ".next"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // in the folder that the administrator chose
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return errors.Join(err, remove(next))
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil // there is no such call
	}
	d, err := os.Open(path) //nolint:gosec // in the folder that the administrator chose
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func nameOf(number int) string { return fmt.Sprintf("%s%06d", indexPrefix, number) }

// numberOf tells the folders of indexes from all others.
func numberOf(name string) (int, bool) {
	var n int
	if _, err := fmt.Sscanf(name, indexPrefix+"%d", &n); err != nil || n < 1 || nameOf(n) != name {
		return 0, false
	}
	return n, true
}

// numbers returns the highest number among the indexes in a folder, and the names of all; 0 when there are none.
func numbers(dir string) (highest int, names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, nil, err
	}
	for _, e := range entries {
		if n, ok := numberOf(e.Name()); ok {
			highest, names = max(highest, n), append(names, e.Name())
		}
	}
	return highest, names, nil
}

// nextPath is where the next index will be.
func nextPath(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", err
	}
	highest, _, err := numbers(dir)
	return filepath.Join(dir, nameOf(highest+1)), err
}

// openLive opens the index that is served. Errors are those of [openStore].
func openLive(dir string) (*store, error) {
	name, err := readLive(dir)
	if err != nil {
		return nil, err
	}
	return openStore(filepath.Join(dir, name))
}

// createLive makes an empty index that is served from now on. One that is there, of that name or the newest when it is "", is set aside.
func createLive(dir, old string) (*store, error) {
	path, err := nextPath(dir)
	if err != nil {
		return nil, err
	}
	if err := setAside(dir, old); err != nil {
		return nil, err
	}
	s, err := createStore(path)
	if err != nil {
		return nil, err
	}
	if err := writeLive(dir, filepath.Base(path)); err != nil {
		return nil, errors.Join(err, s.bleve.Close())
	}
	return s, nil
}

// setAside moves an index that cannot be used out of the way. At most one is kept.
func setAside(dir, name string) error {
	if name == "" {
		name, _ = readLive(dir) // damaged too, perhaps
	}
	if name == "" {
		highest, _, err := numbers(dir)
		if err != nil || highest == 0 {
			return err
		}
		name = nameOf(highest)
	}
	aside := filepath.Join(dir, asideFolder)
	if err := os.RemoveAll(aside); err != nil {
		return err
	}
	err := os.Rename(filepath.Join(dir, name), aside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sweep removes what a kill left: all indexes but the live one.
func sweep(dir, live string) error {
	_, names, err := numbers(dir)
	for _, name := range append(names, oldFolder, versionFile, liveFile+".next") {
		if name != live {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, name)))
		}
	}
	return err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
