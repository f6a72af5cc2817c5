package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// backup copies the changelog: everything else in the data folder is derived from it, or is nobody's loss.
func (p program) backup(ctx context.Context, args []string) error {
	f := newFlags("backup", "FILE [flags]", p.getenv, p.stderr)
	data := f.text("data", "./data", "data `FOLDER`")
	words, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return f.wrong("name one file to write to")
	}
	if _, err := os.Stat(folder(*data).log()); err != nil {
		return fmt.Errorf("there is no catalog in %s", *data)
	}
	log, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: folder(*data).log()})
	if err != nil {
		return err
	}
	return errors.Join(writeWhole(words[0], func(out *os.File) error { return log.Backup(ctx, out) }), log.Close())
}

// writeWhole writes a file under another name first: what is there under its own is whole, always.
func writeWhole(path string, write func(*os.File) error) error {
	out, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(out.Name()) }() // gone already when all went well
	err = write(out)
	err = errors.Join(err, out.Sync(), out.Close())
	if err != nil {
		return err
	}
	return os.Rename(out.Name(), path)
}

// restore puts a backup in place of a changelog, makes every older cursor expire, and applies erasures that the backup does not know.
func (p program) restore(ctx context.Context, args []string) error {
	f := newFlags("restore", "FILE [flags]", p.getenv, p.stderr)
	data := f.text("data", "./data", "data `FOLDER`; a changelog in it is kept beside the restored one")
	words, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return f.wrong("name one backup")
	}
	d := folder(*data)
	if err := os.MkdirAll(*data, 0o750); err != nil {
		return err
	}
	next := d.log() + ".restoring"
	if err := copyFile(words[0], next); err != nil {
		return err
	}
	if err := renew(ctx, next); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	had, err := setAside(d.log())
	if err != nil {
		return errors.Join(err, os.Remove(next))
	}
	if err := os.Rename(next, d.log()); err != nil {
		return err
	}
	c, err := catalog.Open(catalog.Config{Path: d.log(), Secrets: d.secrets()}) // applies erasures again
	if err != nil {
		return err
	}
	kept := ""
	if had {
		kept = fmt.Sprintf(" What was there is %s.before-restore", d.log())
	}
	_, err = fmt.Fprintf(p.stdout, "restored; phones will fetch everything once.%s\n", kept)
	return errors.Join(err, c.Close())
}

func copyFile(from, to string) error {
	in, err := os.Open(from) //nolint:gosec // the administrator names it
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	return writeWhole(to, func(out *os.File) error {
		_, err := out.ReadFrom(in)
		return err
	})
}

func renew(ctx context.Context, path string) error {
	log, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: path})
	if err != nil {
		return err
	}
	return errors.Join(log.Renew(ctx), log.Close())
}

// setAside renames the present changelog, if there is one, after making sure that no server holds it.
func setAside(path string) (had bool, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	log, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: path})
	if err != nil {
		return true, err
	}
	if err := log.Close(); err != nil {
		return true, err
	}
	return true, os.Rename(path, path+".before-restore")
}

// verify reads every entity, and looks whether the search index agrees with the catalog.
func (p program) verify(ctx context.Context, args []string) error {
	f := newFlags("verify", "[flags]", p.getenv, p.stderr)
	data := f.text("data", "./data", "data `FOLDER`")
	if _, err := f.parse(args); err != nil {
		return err
	}
	d := folder(*data)
	if _, err := os.Stat(d.log()); err != nil {
		return fmt.Errorf("there is no catalog in %s", *data)
	}
	c, err := catalog.Open(catalog.Config{Path: d.log(), Secrets: d.secrets()})
	if err != nil {
		return err
	}
	return errors.Join(p.check(ctx, c), c.Close())
}

func (p program) check(ctx context.Context, c *catalog.Catalog) error {
	entities, courses := 0, 0
	for _, err := range c.Log().Read(ctx, 0) {
		if err != nil {
			return err
		}
		entities++
	}
	for _, err := range c.Courses(ctx) {
		if err != nil {
			return err
		}
		courses++
	}
	_, err := fmt.Fprintf(p.stdout, "%d entities, %d courses: all can be read\n", entities, courses)
	return err
}
