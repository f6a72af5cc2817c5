package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// rebuild is how far a rebuild of the search index is, as GET /v2/search/reindex has it.
type rebuild struct {
	State         search.ReindexState
	Documents, Of int
	Detail        string // why it was refused or failed
}

// reindex builds a new search index beside the one there is, compares the two, and puts the new one in its place. Of a folder it builds the catalog's own
// tables again, too: nothing that is derived is left as it was.
func (p program) reindex(ctx context.Context, args []string) error {
	f := newFlags("reindex", "[flags]", p.getenv, p.stderr)
	force := f.boolean("force", "use the new index even when it answers more than a tenth differently")
	data := f.text("data", "./data", "data `FOLDER`")
	server := f.text("server", "", "`URL` of a running server that rebuilds its index, instead of a folder")
	token := f.text("token", "", "bearer `TOKEN` for the server, of an administrator")
	rest, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return f.wrong("unexpected argument %q", rest[0])
	}
	if *server != "" {
		return p.reindexRemote(ctx, remote{base: strings.TrimRight(*server, "/"), token: *token}, *force)
	}
	d := folder(*data)
	if _, err := os.Stat(d.log()); err != nil {
		return fmt.Errorf("there is no catalog in %s", *data)
	}
	c, err := catalog.Open(catalog.Config{Path: d.log(), Secrets: d.secrets(), Rebuild: true})
	if err != nil {
		return err
	}
	index, err := search.Open(search.Config{Dir: d.index(), Catalog: c})
	if err != nil {
		return errors.Join(err, c.Close())
	}
	return errors.Join(p.reindexFolder(ctx, c, index, *force), index.Close(), c.Close())
}

// reindexFolder rebuilds an index that no server holds. One that was missing or damaged has nothing to be compared with: catching up builds it.
func (p program) reindexFolder(ctx context.Context, c *catalog.Catalog, index *search.Index, force bool) error {
	missing := index.Ready() != nil
	if err := coursesync.CatchUp(ctx, c.Log(), index); err != nil {
		return err
	}
	if missing {
		_, err := fmt.Fprintln(p.stdout, "the search index was missing or damaged and has been built")
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- index.Reindex(ctx, force) }()
	show := p.rebuilding()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		s := index.ReindexStatus()
		show(rebuild{State: s.State, Documents: s.Documents, Of: s.Of})
		select {
		case err := <-ended:
			if err != nil {
				return err
			}
			s = index.ReindexStatus()
			return p.rebuilt(rebuild{State: s.State, Documents: s.Documents, Of: s.Of})
		case <-ticker.C:
		}
	}
}

// reindexRemote lets a running server rebuild its index and waits for the end.
func (p program) reindexRemote(ctx context.Context, r remote, force bool) error {
	const path = "/v2/search/reindex"
	var s rebuild
	err := r.call(ctx, http.MethodPost, fmt.Sprintf("%s?force=%t", path, force), nil, "", &s)
	show := p.rebuilding()
	for err == nil && (s.State == search.ReindexBuilding || s.State == search.ReindexComparing) {
		show(s)
		timer := time.NewTimer(pollEvery)
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-timer.C:
			err = r.call(ctx, http.MethodGet, path, nil, "", &s)
		}
		timer.Stop()
	}
	switch {
	case err != nil:
		return err
	case s.State == search.ReindexIdle:
		return errors.New("the server was restarted meanwhile: begin again")
	case s.State == search.ReindexRefused:
		return fmt.Errorf("%s Use --force for that", s.Detail)
	case s.State != search.ReindexDone:
		return fmt.Errorf("the rebuild ended as %q: %s", s.State, s.Detail)
	}
	return p.rebuilt(s)
}

func (p program) rebuilt(s rebuild) error {
	_, err := fmt.Fprintf(p.stdout, "the search index was rebuilt: %d documents\n", s.Documents)
	return err
}

// rebuilding shows how far a rebuild is: a bar on a terminal, a line now and then elsewhere.
func (p program) rebuilding() func(rebuild) {
	if f, ok := p.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		var bar *progressbar.ProgressBar
		return func(now rebuild) {
			if now.State == search.ReindexIdle {
				return // it has not begun yet
			}
			if bar == nil {
				bar = progressbar.NewOptions(now.Of, progressbar.OptionSetWriter(p.stderr), progressbar.OptionSetDescription("documents"),
					progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("documents"),
					progressbar.OptionOnCompletion(func() { p.say("\n") }))
			}
			_ = bar.Set(min(now.Documents, now.Of)) // it fails on nothing but its writer
		}
	}
	last, state := time.Now(), search.ReindexBuilding
	return func(now rebuild) {
		if now.State != search.ReindexIdle && (now.State != state || time.Since(last) >= linesEvery) {
			last, state = time.Now(), now.State
			p.say("%s: %d of %d documents\n", now.State, now.Documents, now.Of)
		}
	}
}
