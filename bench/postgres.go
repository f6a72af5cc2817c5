package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/search/analysis"
)

// postgres is a server of the benchmark's own, in a private folder, reached by a socket in it.
type postgres struct {
	server  *exec.Cmd
	conns   []*pgx.Conn // by the number of parallel workers that its statements may have
	version string
}

// errNoPostgres says that there is no PostgreSQL here to compare with.
var errNoPostgres = errors.New("PostgreSQL 15 is not installed (Debian: postgresql-15)")

// postgresSettings are those of a machine that has nothing else to do, with everything in memory. JIT costs more than it gives in queries this short.
var postgresSettings = []string{
	"shared_buffers=1GB", "work_mem=256MB", "maintenance_work_mem=512MB", "effective_cache_size=4GB", "random_page_cost=1.1", "jit=off",
	"fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off", "max_wal_size=4GB", "max_parallel_workers=4",
	"max_parallel_maintenance_workers=2", "min_parallel_table_scan_size=0", "parallel_setup_cost=100", "plan_cache_mode=force_custom_plan",
	"listen_addresses=",
}

// maxWorkers are tried beside a connection's own process, on two cores.
const maxWorkers = 2

// startPostgres makes a cluster and starts it. It refuses to run as root, so there it runs as another user, who owns the folder.
func startPostgres(ctx context.Context, dir string) (p *postgres, err error) {
	bin := postgresPath()
	if bin == "" {
		return nil, errNoPostgres
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	attr, err := otherUser(dir)
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	args := []string{"-D", data, "-k", dir}
	for _, s := range postgresSettings {
		args = append(args, "-c", s)
	}
	p = &postgres{server: exec.Command(filepath.Join(bin, "postgres"), args...)}
	p.server.SysProcAttr, p.server.Dir = attr, dir
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.server.Stderr = log
	if err := p.server.Start(); err != nil {
		return nil, err
	}
	return p, p.connect(ctx, dir)
}

func (p *postgres) connect(ctx context.Context, dir string) (err error) {
	const tries, pause = 100, 100 * time.Millisecond
	for range tries {
		conn, failed := pgx.Connect(ctx, "host="+dir+" user=bench dbname=postgres")
		if err = failed; err == nil {
			p.conns = append(p.conns, conn)
			break
		}
		time.Sleep(pause)
	}
	for workers := 1; workers <= maxWorkers && err == nil; workers++ {
		conn, failed := pgx.Connect(ctx, "host="+dir+" user=bench dbname=postgres")
		if err = failed; err == nil {
			p.conns = append(p.conns, conn)
		}
	}
	for workers, conn := range p.conns {
		if _, failed := conn.Exec(ctx, fmt.Sprint("SET max_parallel_workers_per_gather = ", workers)); failed != nil {
			err = errors.Join(err, failed)
		}
	}
	if err == nil {
		err = p.conns[0].QueryRow(ctx, "SHOW server_version").Scan(&p.version)
	}
	if err != nil {
		return errors.Join(err, p.stop(ctx))
	}
	return nil
}

// stop ends the server at once: the folder goes anyway.
func (p *postgres) stop(ctx context.Context) error {
	for _, conn := range p.conns {
		_ = conn.Close(ctx)
	}
	if err := p.server.Process.Signal(syscall.SIGQUIT); err != nil {
		return err
	}
	_ = p.server.Wait() // it says that it was told to
	return nil
}

// postgresPath is where the programs of version 15 are; "" when they are not.
func postgresPath() string {
	for _, dir := range []string{"/usr/lib/postgresql/15/bin", "/usr/pgsql-15/bin", "/opt/homebrew/opt/postgresql@15/bin"} {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir
		}
	}
	return ""
}

// otherUser lets a command run as a user other than root, who gets the folder and may walk to it.
func otherUser(dir string) (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // no change
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, err
		}
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, err
	}
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

const postgresSchema = `
CREATE UNLOGGED TABLE raw (id int, title text, en text, fr text, zh text, rating real, category smallint, level smallint, language smallint, provider smallint,
	tags smallint[], instructors smallint[])`

// postgresTables makes what is searched, each part in the form that is fastest for it: docs, with the text vectors out of the rows, is small to walk
// over and counts facets; ranked keeps them in the rows, which ts_rank reads; narrow has the facets alone; side tables have one value a row.
var postgresTables = []string{
	`CREATE UNLOGGED TABLE ranked (id int, title text, rating real, category smallint, level smallint, language smallint, provider smallint,
		tags smallint[], instructors smallint[], tsv tsvector)`,
	`ALTER TABLE ranked ALTER tsv SET STORAGE PLAIN`,
	`INSERT INTO ranked SELECT id, title, rating, category, level, language, provider, tags, instructors,
		to_tsvector('english', en) || to_tsvector('french', fr) || to_tsvector('simple', zh) FROM raw ORDER BY id`,
	`DROP TABLE raw`,
	`CREATE UNLOGGED TABLE docs (LIKE ranked)`,
	`ALTER TABLE docs ALTER tsv SET STORAGE EXTERNAL`,
	`INSERT INTO docs SELECT * FROM ranked ORDER BY id`,
	`CREATE UNLOGGED TABLE narrow AS SELECT id, category, level, language, provider, tags, instructors FROM docs ORDER BY id`,
	`CREATE UNLOGGED TABLE tag_of AS SELECT id, unnest(tags) AS tag FROM docs ORDER BY id`,
	`CREATE UNLOGGED TABLE instructor_of AS SELECT id, unnest(instructors) AS instructor FROM docs ORDER BY id`,
	`CREATE UNLOGGED TABLE value_of AS SELECT id, v FROM narrow, LATERAL (VALUES (category::int), (1000 + level), (2000 + language), (3000 + provider)) x(v)
		UNION ALL SELECT id, 4000 + tag FROM tag_of UNION ALL SELECT id, 9000 + instructor FROM instructor_of ORDER BY id`,
	`ALTER TABLE docs ADD PRIMARY KEY (id)`,
	`ALTER TABLE narrow ADD PRIMARY KEY (id)`,
	`CREATE INDEX ON docs (rating DESC NULLS LAST, id)`,
	`CREATE INDEX ON tag_of (id, tag)`,
	`CREATE INDEX ON instructor_of (id, instructor)`,
	`CREATE INDEX ON value_of (id, v)`,
	`CREATE INDEX ON docs USING gin (tsv) WITH (fastupdate = off)`,
	`CREATE INDEX ON ranked USING gin (tsv) WITH (fastupdate = off)`,
	`VACUUM (ANALYZE) docs`, `VACUUM (ANALYZE) ranked`, `VACUUM (ANALYZE) narrow`, `VACUUM (ANALYZE) tag_of`, `VACUUM (ANALYZE) instructor_of`,
	`VACUUM (ANALYZE) value_of`,
}

// load copies the catalog in. Chinese is cut into characters and pairs of them beforehand, since PostgreSQL cannot.
func (p *postgres) load(ctx context.Context, s *site) error {
	if _, err := p.conns[0].Exec(ctx, postgresSchema); err != nil {
		return err
	}
	numbers := map[string]map[string]int16{}
	number := func(facet, value string) int16 {
		if numbers[facet] == nil {
			numbers[facet] = map[string]int16{}
		}
		n, ok := numbers[facet][value]
		if !ok {
			n = int16(len(numbers[facet])) //nolint:gosec // a few thousand
			numbers[facet][value] = n
		}
		return n
	}
	all := func(facet string, values []string) (list []int16) {
		for _, v := range values {
			list = append(list, number(facet, v))
		}
		return list
	}
	var rows [][]any
	err := s.courses(ctx, func(c peerCourse) error {
		rows = append(rows, []any{
			int32(len(rows)), c.title, c.texts[catalog.English], c.texts[catalog.French], cutHan(c.texts[catalog.Chinese]), c.rating, //nolint:gosec // few
			number("category", c.category), number("level", c.level), number("language", c.language), number("provider", c.company),
			all("tags", c.tags), all("instructors", c.people),
		})
		return nil
	})
	if err != nil {
		return err
	}
	columns := []string{"id", "title", "en", "fr", "zh", "rating", "category", "level", "language", "provider", "tags", "instructors"}
	if _, err := p.conns[0].CopyFrom(ctx, pgx.Identifier{"raw"}, columns, pgx.CopyFromRows(rows)); err != nil {
		return err
	}
	for _, statement := range postgresTables {
		if _, err := p.conns[0].Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// cutHan writes the terms of a Chinese text apart.
func cutHan(text string) string {
	var b strings.Builder
	for _, t := range analysis.Exact(text) {
		b.WriteString(t.Text)
		b.WriteByte(' ')
	}
	return b.String()
}
