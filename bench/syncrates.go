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

	"github.com/jackc/pgx/v5"
)

// rated is something that is asked for over and over.
type rated struct {
	name    string
	url     string
	request []byte
	goal    float64 // share of echo's rate
	rate    float64
}

// rates compares how often pages are served with echo's hello, and with databases.
func (b *bench) rates(url string, whole pulled) error {
	p, err := b.startPeers(whole.rows)
	if err != nil {
		return err
	}
	defer p.stop()
	pull := func(cursor string) []byte { return getRequest(syncPath("catalog", pullPage, cursor), acceptZstd) }
	list := []*rated{
		{name: "echo v4, hello", url: p.url, request: getRequest("/hello", acceptZstd)},
		{name: "Carrel, the first page: tags, categories, instructors", url: url, request: pull(""), goal: goalPageShare},
		{name: "Carrel, a page from the middle: courses and their numbers", url: url, request: pull(whole.middle), goal: goalPageShare},
		{name: "Carrel, nothing new", url: url, request: pull(whole.cursor), goal: goalNothingShare},
	}
	for range syncRounds {
		for _, one := range list {
			r, err := hammer(one.url, one.request, syncConnections, syncTime)
			if err != nil {
				return err
			}
			one.rate += r / syncRounds
		}
	}
	fmt.Printf("### Pages from memory, %d connections, one client for all\n\n| | requests/s | bytes an answer | share of echo's |\n|---|---|---|---|\n", syncConnections)
	for _, one := range list {
		size, err := answerSize(one.url, one.request)
		if err != nil {
			return err
		}
		share := ""
		if one.goal > 0 {
			share = verdict(one.rate/list[0].rate, one.goal)
		}
		fmt.Printf("| %s | %.0f | %d | %s |\n", one.name, one.rate, size, share)
	}
	return p.compare(list[2].rate, whole.before)
}

// answerSize is how many bytes an answer has on the socket.
func answerSize(url string, request []byte) (int64, error) {
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
	fmt.Printf("\n| the same 500 rows after a seq, through echo | requests/s, the fastest way | Carrel's, times that |\n|---|---|---|\n")
	for _, peer := range []string{"postgres", "sqlite"} {
		if peer == "postgres" && p.postgres == nil {
			continue
		}
		for _, encodings := range [][]string{{"zstd", "gzip"}, {""}} {
			best, how, err := p.fastest(peer, after, encodings)
			if err != nil {
				return err
			}
			if encodings[0] == "" {
				fmt.Printf("| %s, not compressed | %.0f: %s | %.2f |\n", peer, best, how, ours/best)
				continue
			}
			fmt.Printf("| %s, compressed as Carrel's | %.0f: %s | %s |\n", peer, best, how, verdict(ours/best, goalTimesPeers))
		}
	}
	fmt.Println()
	return nil
}

// fastest tries each way of reading with each encoding.
func (p *peers) fastest(peer string, after int, encodings []string) (best float64, how string, err error) {
	for way, name := range pullNames {
		for _, encoding := range encodings {
			r, err := hammer(p.url, getRequest(fmt.Sprintf("%s?after=%d&encoding=%s", pullPath(peer, way), after, encoding)), syncConnections, syncTime)
			if err != nil {
				return 0, "", err
			}
			if r > best {
				best, how = r, name
				if encoding != "" {
					how += ", " + encoding
				}
			}
		}
	}
	return best, how, nil
}
