package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/identity"
)

const (
	// syncConnections keep two cores busy.
	syncConnections = 32
	// syncTime is how long a rate is measured, syncRounds how often, in turns.
	syncTime   = 2 * time.Second
	syncRounds = 3

	goalPageShare    = .4
	goalNothingShare = .8
	goalTimesPeers   = 10
)

// sync measures what phones ask for: pages of the catalog, one after a publication, and to be told of the next.
func (b *bench) sync() error {
	section("Delta sync")
	data, err := b.syncFolder()
	if err != nil {
		return err
	}
	s, keys, err := b.syncServer(data)
	if err != nil {
		return err
	}
	whole, err := b.firstSync(s.url)
	if err != nil {
		return err
	}
	if err := b.byField(whole); err != nil {
		return err
	}
	if err := b.rates(s.url, whole); err != nil {
		return err
	}
	if err := b.onePublication(s.url, keys, whole.cursor); err != nil {
		return err
	}
	return s.stop()
}

// syncFolder copies the catalog: these sections publish.
func (b *bench) syncFolder() (string, error) {
	from, err := b.folder(b.courses)
	if err != nil {
		return "", err
	}
	to := filepath.Join(b.dir, "sync")
	if err := os.RemoveAll(to); err != nil {
		return "", err
	}
	return to, os.CopyFS(to, os.DirFS(from))
}

// syncServer starts a server, and opens the keys that sign its tokens.
func (b *bench) syncServer(data string) (*server, *identity.Keyring, error) {
	keys, err := identity.OpenKeyring(filepath.Join(data, "secrets"), nil)
	if err != nil {
		return nil, nil, err
	}
	s, err := b.serve(data)
	return s, keys, err
}

// bearer is the header of a caller.
func bearer(keys *identity.Keyring, who catalog.Actor) (string, error) {
	token, err := keys.Sign(identity.Grant{Actor: who, TTL: 24 * time.Hour})
	return "Authorization: Bearer " + token, err
}

// rates compares how often pages are served with echo's hello, and with databases.
func (b *bench) rates(url string, whole pulled) error {
	p, err := b.startPeers(whole.rows)
	if err != nil {
		return err
	}
	defer p.stop()
	first := getRequest(syncPath("catalog", pullPage, ""), acceptZstd)
	page := getRequest(syncPath("catalog", pullPage, whole.middle), acceptZstd)
	nothing := getRequest(syncPath("catalog", pullPage, whole.cursor), acceptZstd)
	hello := getRequest("/hello", acceptZstd)
	fmt.Printf("### Pages from memory: requests/s on %d connections, one client for all\n\n| | requests/s | bytes an answer | share of echo's |\n|---|---|---|---|\n", syncConnections)
	var helloRate, firstRate, pageRate, nothingRate float64
	for range syncRounds {
		for _, one := range []struct {
			url     string
			request []byte
			into    *float64
		}{{p.url, hello, &helloRate}, {url, first, &firstRate}, {url, page, &pageRate}, {url, nothing, &nothingRate}} {
			r, err := hammer(one.url, one.request, syncConnections, syncTime)
			if err != nil {
				return err
			}
			*one.into += r / syncRounds
		}
	}
	for _, row := range []struct {
		name    string
		url     string
		request []byte
		rate    float64
		goal    float64
	}{
		{"echo v4, hello", p.url, hello, helloRate, 0},
		{"Carrel, the first page: tags, categories, instructors", url, first, firstRate, goalPageShare},
		{"Carrel, a page from the middle: courses and their numbers", url, page, pageRate, goalPageShare},
		{"Carrel, nothing new", url, nothing, nothingRate, goalNothingShare},
	} {
		size, err := sizeOf(row.url, row.request)
		if err != nil {
			return err
		}
		share := ""
		if row.goal > 0 {
			share = verdict(row.rate/helloRate, row.goal)
		}
		fmt.Printf("| %s | %.0f | %d | %s |\n", row.name, row.rate, size, share)
	}
	return p.compare(pageRate, whole.before)
}

// sizeOf is how many bytes an answer has on the socket.
func sizeOf(url string, request []byte) (int64, error) {
	w, err := dial(url)
	if err != nil {
		return 0, err
	}
	defer w.close()
	_, err = w.ask(request)
	return w.received, err
}

// peers are the running server of the peers, and the database behind it.
type peers struct {
	url      string
	server   *exec.Cmd
	postgres *postgres // nil when there is none
}

// startPeers fills the databases with the rows that Carrel sent and starts their server.
func (b *bench) startPeers(rows [][]byte) (*peers, error) {
	ctx := context.Background()
	p := &peers{}
	socket, file := filepath.Join(b.dir, "sync-pg"), filepath.Join(b.dir, "sync.sqlite")
	var err error
	switch p.postgres, err = startPostgres(ctx, socket); {
	case errors.Is(err, errNoPostgres):
		note("%v", err)
		socket = ""
	case err != nil:
		return nil, err
	default:
		if err := fillPostgres(ctx, p.postgres.conns[0], rows); err != nil {
			return nil, errors.Join(err, p.postgres.stop(ctx))
		}
	}
	if err := fillSQLite(ctx, file, rows); err != nil {
		p.stop()
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p.server = exec.Command(self, peersCommand, socket, file)
	p.server.Stderr = os.Stderr
	out, err := p.server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.server.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	_, p.url, _ = strings.Cut(strings.TrimSpace(line), "ready at ")
	return p, err
}

func (p *peers) stop() {
	if p.server != nil && p.server.Process != nil {
		_ = p.server.Process.Kill()
		_ = p.server.Wait()
	}
	if p.postgres != nil {
		_ = p.postgres.stop(context.Background())
	}
}

func fillPostgres(ctx context.Context, conn *pgx.Conn, rows [][]byte) error {
	if _, err := conn.Exec(ctx, "CREATE UNLOGGED TABLE changes (seq bigint PRIMARY KEY, doc text NOT NULL)"); err != nil {
		return err
	}
	i := 0
	_, err := conn.CopyFrom(ctx, pgx.Identifier{"changes"}, []string{"seq", "doc"}, pgx.CopyFromFunc(func() ([]any, error) {
		if i == len(rows) {
			return nil, nil
		}
		i++
		return []any{i, string(rows[i-1])}, nil
	}))
	if err == nil {
		_, err = conn.Exec(ctx, "VACUUM (ANALYZE) changes")
	}
	return err
}

func fillSQLite(ctx context.Context, file string, rows [][]byte) (err error) {
	db, err := openSQLite(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, "CREATE TABLE changes (seq INTEGER PRIMARY KEY, doc TEXT NOT NULL)"); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := insertAll(ctx, tx, rows); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func insertAll(ctx context.Context, tx *sql.Tx, rows [][]byte) error {
	insert, err := tx.PrepareContext(ctx, "INSERT INTO changes VALUES (?, ?)")
	if err != nil {
		return err
	}
	for i, row := range rows {
		if _, err := insert.ExecContext(ctx, i+1, string(row)); err != nil {
			return err
		}
	}
	return nil
}

// compare asks the databases for the same 500 rows in every way, and shows the fastest of each.
func (p *peers) compare(ours float64, after int) error {
	fmt.Printf("\n| the same 500 rows after a seq, through echo | fastest way | requests/s | Carrel's, times that |\n|---|---|---|---|\n")
	for _, peer := range []string{"postgres", "sqlite"} {
		if peer == "postgres" && p.postgres == nil {
			continue
		}
		best, how := 0., ""
		for way, name := range pullNames {
			for _, encoding := range []string{"", "zstd", "gzip"} {
				r, err := hammer(p.url, getRequest(pullPath(peer, way)+"?after="+itoa(after)+"&encoding="+encoding), syncConnections, syncTime/2)
				if err != nil {
					return err
				}
				note("%s, %s, %s: %.0f/s", peer, name, encoding, r)
				if r > best {
					best, how = r, name+", "+strings.TrimSuffix("compressed by "+encoding, "compressed by ")
				}
			}
		}
		fmt.Printf("| %s | %s | %.0f | %s |\n", peer, strings.TrimSuffix(how, ", "), best, verdict(ours/best, goalTimesPeers))
	}
	fmt.Println()
	return nil
}
