package main

import (
	"context"
	"fmt"
	"os"

	"github.com/carrel-lms/carrel/catalog"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// restore puts a backup in place of a changelog, makes every older cursor expire, and applies erasures that the backup does not know before anybody
// can see it. What else the data folder holds of the log before finds out by itself that it is out of date: the search index by its cursor, local.db by openLocal.
func (p program) restore(ctx context.Context, args []string) error {
	f := newFlags("restore", "FILE [flags]", p.getenv, p.stderr)
	data := f.text("data", "./data", "data `FOLDER`, while no server holds it; a changelog in it is kept beside the restored one")
	words, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(words) != 1 {
		return f.wrong("name one backup")
	}
	if _, err := os.Stat(words[0]); err != nil {
		return err
	}
	d := folder(*data)
	if sameFile(d.log(), words[0]) {
		return f.wrong("%s is the changelog itself", words[0])
	}
	if _, err := os.Stat(d.secrets()); err != nil {
		p.say("note: there is no %s. Who asked to be forgotten after the backup was taken comes back with it; put that folder back and restore again\n", d.secrets())
	}
	done, err := coursesync.Restore(ctx, coursesync.RestoreConfig{Path: d.log(), Backup: words[0], Prepare: func(_ context.Context, path string) error {
		c, err := catalog.Open(catalog.Config{Path: path, Secrets: d.secrets()}) // erases again, and builds the tables
		if err != nil {
			return err
		}
		return c.Close()
	}})
	if err != nil {
		return err
	}
	kept := ""
	if done.Aside != "" {
		kept = fmt.Sprintf(" What was there is kept as %s: remove it when it is not needed any more.", done.Aside)
	}
	_, err = fmt.Fprintf(p.stdout, "restored %d entities. Phones will fetch everything once, browsers sign in again, search builds its index at the next start.%s\n", done.Live, kept)
	return err
}
