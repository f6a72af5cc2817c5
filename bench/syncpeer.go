package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/labstack/echo/v4"
	_ "modernc.org/sqlite" // the driver
)

// The peers of the sync section are a process of their own: echo, which says hello and answers a pull from tables of ready-made rows. That is what a service
// does which asks its database each time, at its best: no ORM, a prepared statement, an index on seq, the rows as JSON already, all in memory.

const (
	// pullPage is how many changes a pull asks for.
	pullPage = 500
	// peerConnections to a database are what two cores can use.
	peerConnections = 4
	// peersCommand makes this program the peers' server, with the folder of PostgreSQL's socket, "" for none, and SQLite's file after it.
	peersCommand = "sync-peers"
)

// The ways of reading a page that are tried: its rows, and one text that the database puts together.
var (
	postgresPulls = []string{
		"SELECT seq, doc FROM changes WHERE seq > $1 ORDER BY seq LIMIT 500",
		"SELECT max(seq), string_agg(doc, ',') FROM (SELECT seq, doc FROM changes WHERE seq > $1 ORDER BY seq LIMIT 500) page",
	}
	sqlitePulls = []string{
		"SELECT seq, doc FROM changes WHERE seq > ? ORDER BY seq LIMIT 500",
		"SELECT max(seq), group_concat(doc, ',') FROM (SELECT seq, doc FROM changes WHERE seq > ? ORDER BY seq LIMIT 500)",
	}
	pullNames = []string{"rows", "one text"}
)

// servePeers answers until it is killed.
func servePeers(ctx context.Context, socket, file string) error {
	db, err := openSQLite(file)
	if err != nil {
		return err
	}
	p, err := newPacker()
	if err != nil {
		return err
	}
	e := echo.New()
	e.GET("/hello", func(c echo.Context) error { return c.String(http.StatusOK, "Hello, World!") })
	for i, text := range sqlitePulls {
		statement, err := db.PrepareContext(ctx, text)
		if err != nil {
			return err
		}
		e.GET(pullPath("sqlite", i), p.pullHandler(sqlitePuller{statement}))
	}
	for i, text := range postgresPulls {
		if socket == "" {
			break
		}
		from, err := newPostgresPuller(ctx, socket, text)
		if err != nil {
			return err
		}
		e.GET(pullPath("postgres", i), p.pullHandler(from))
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("the peers are ready at http://%s\n", listener.Addr())
	return (&http.Server{Handler: e}).Serve(listener) //nolint:gosec // it serves this benchmark only
}

func pullPath(peer string, way int) string { return "/" + peer + "/" + itoa(way) }

// puller writes the rows after a seq, with commas between them, and returns the last one's seq.
type puller interface {
	pull(ctx context.Context, after int64, into *bytes.Buffer) (last int64, err error)
}

// packer compresses answers at its fastest, since each is made for one caller.
type packer struct {
	zstd  *zstd.Encoder
	gzips sync.Pool
}

func newPacker() (*packer, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	return &packer{z, sync.Pool{New: func() any { w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed); return w }}}, err
}

// pack compresses a body; into is written over.
func (p *packer) pack(body []byte, encoding string, into *bytes.Buffer) ([]byte, error) {
	into.Reset()
	switch encoding {
	case "zstd":
		into.Grow(len(body))
		return p.zstd.EncodeAll(body, into.AvailableBuffer()), nil
	case "gzip":
		w := p.gzips.Get().(*gzip.Writer)
		defer p.gzips.Put(w)
		w.Reset(into)
		if _, err := w.Write(body); err != nil {
			return nil, err
		}
		err := w.Close()
		return into.Bytes(), err
	}
	return body, nil
}

// pullHandler answers with what a puller reads, compressed as the parameter encoding says.
func (p *packer) pullHandler(from puller) echo.HandlerFunc {
	buffers := sync.Pool{New: func() any { return &[2]bytes.Buffer{} }}
	return func(c echo.Context) error {
		lent := buffers.Get().(*[2]bytes.Buffer)
		defer buffers.Put(lent)
		b := &lent[0]
		b.Reset()
		after, err := strconv.ParseInt(c.QueryParam("after"), 10, 64)
		if err != nil {
			return err
		}
		b.WriteString(`{"changes":[`)
		last, err := from.pull(c.Request().Context(), after, b)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, `],"cursor":"%d","more":true}`, last)
		encoding := c.QueryParam("encoding")
		body, err := p.pack(b.Bytes(), encoding, &lent[1])
		if err != nil {
			return err
		}
		h := c.Response().Header()
		if encoding != "" {
			h.Set("Content-Encoding", encoding)
		}
		h.Set("Content-Length", itoa(len(body)))
		return c.JSONBlob(http.StatusOK, body)
	}
}

// postgresPuller reads by connections whose statement is prepared.
type postgresPuller chan *pgx.Conn

func newPostgresPuller(ctx context.Context, socket, text string) (postgresPuller, error) {
	p := make(postgresPuller, peerConnections)
	for range peerConnections {
		conn, err := pgx.Connect(ctx, "host="+socket+" user=bench dbname=postgres")
		if err != nil {
			return nil, err
		}
		if _, err := conn.Exec(ctx, "SET plan_cache_mode = force_generic_plan"); err != nil { // a pull is not planned each time
			return nil, err
		}
		if _, err := conn.Prepare(ctx, "pull", text); err != nil {
			return nil, err
		}
		p <- conn
	}
	return p, nil
}

func (p postgresPuller) pull(ctx context.Context, after int64, into *bytes.Buffer) (last int64, err error) {
	conn := <-p
	defer func() { p <- conn }()
	rows, err := conn.Query(ctx, "pull", after)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for n := 0; rows.Next(); n++ {
		if n > 0 {
			into.WriteByte(',')
		}
		values := rows.RawValues()                       // as they lie in what was received
		last = int64(binary.BigEndian.Uint64(values[0])) //nolint:gosec // a bigint
		into.Write(values[1])
	}
	return last, rows.Err()
}

// sqlitePuller reads by a prepared statement; package sql keeps the connections.
type sqlitePuller struct{ statement *sql.Stmt }

func (p sqlitePuller) pull(ctx context.Context, after int64, into *bytes.Buffer) (last int64, err error) {
	rows, err := p.statement.QueryContext(ctx, after)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for n := 0; rows.Next(); n++ {
		if n > 0 {
			into.WriteByte(',')
		}
		var doc sql.RawBytes
		if err := rows.Scan(&last, &doc); err != nil {
			return 0, err
		}
		into.Write(doc)
	}
	return last, rows.Err()
}

// openSQLite opens a file with the settings of a service that has memory enough: write-ahead log, and the file mapped.
func openSQLite(file string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_pragma=mmap_size(2000000000)&_pragma=cache_size(-262144)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(peerConnections)
	db.SetMaxIdleConns(peerConnections)
	return db, nil
}
