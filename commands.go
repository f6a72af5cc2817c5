package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/fault"
	"github.com/carrel-lms/carrel/identity"
	"github.com/carrel-lms/carrel/ingest"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/search"
	"github.com/carrel-lms/carrel/search/analysis"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// importFlags are the flags of import.
type importFlags struct {
	format, mapping, org, data, server, token *string
	dryRun, asJSON                            *bool
}

func (p program) importFiles(ctx context.Context, args []string) error {
	f := newFlags("import", "FILE… [flags]", p.getenv, p.stderr)
	o := importFlags{
		format:  f.text("format", "auto", "`FORMAT` of the files: auto or csv"),
		mapping: f.text("map", "", "`FILE` or preset that says what the columns mean; presets: "+strings.Join(ingest.Presets(), ", ")),
		org:     f.text("org", "", "`ID` of the organization whose courses they are; none: the public catalog"),
		dryRun:  f.boolean("dry-run", "tell what would happen, write nothing"),
		asJSON:  f.boolean("json", "print the report as JSON"),
		data:    f.text("data", "./data", "data `FOLDER`"),
		server:  f.text("server", "", "`URL` of a running server to import into, instead of a folder"),
		token:   f.text("token", "", "bearer `TOKEN` for the server"),
	}
	files, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return f.wrong("name the files to import")
	}
	if *o.format != "auto" && *o.format != "csv" {
		return f.wrong("--format %q: only csv is read so far", *o.format)
	}
	for _, name := range files {
		if _, err := os.Stat(name); err != nil {
			return err // before anything is made
		}
	}
	m, err := ingest.LoadMapping(*o.mapping)
	if err != nil {
		return err
	}
	if *o.server != "" {
		return p.importRemote(ctx, o, files)
	}
	report, err := p.importLocal(ctx, o, m, files)
	return p.report(o, report, err)
}

// report prints what an import did, on stdout, and gives the exit status.
func (p program) report(o importFlags, report ingest.Report, err error) error {
	for _, w := range report.Warnings {
		p.say("note: %s\n", w)
	}
	if *o.asJSON {
		if e := json.NewEncoder(p.stdout).Encode(report); e != nil {
			return e
		}
	} else {
		for _, e := range report.Errors {
			column := e.Column
			if column != "" {
				column = ", column " + column
			}
			p.say("line %d%s: %s (%s)\n", e.Line, column, e.Detail, e.Code)
		}
		r := report.Rows
		_, _ = fmt.Fprintf(p.stdout, "%d rows read: %d created, %d updated, %d unchanged, %d merged, %d rejected\n", r.Read, r.Created, r.Updated, r.Unchanged, r.Merged, r.Rejected)
	}
	if err == nil && report.Rows.Rejected > 0 {
		err = errRejected
	}
	return err
}

// importLocal imports into a data folder, and brings the search index along: on return the courses are searchable.
func (p program) importLocal(ctx context.Context, o importFlags, m *ingest.Mapping, names []string) (ingest.Report, error) {
	data := folder(*o.data)
	if _, err := os.Stat(data.log()); *o.dryRun && errors.Is(err, fs.ErrNotExist) {
		empty, err := os.MkdirTemp("", "carrel-dry-run-*") // a dry run makes no data folder
		if err != nil {
			return ingest.Report{}, err
		}
		defer func() { _ = os.RemoveAll(empty) }()
		data = folder(empty)
	}
	c, err := catalog.Open(catalog.Config{Path: data.log(), Secrets: data.secrets()})
	if err != nil {
		return ingest.Report{}, err
	}
	var files []ingest.File
	for _, name := range names {
		files = append(files, ingest.File{Name: name, Open: func() (io.ReadSeekCloser, error) { return os.Open(name) }}) //nolint:gosec // the administrator names it
	}
	opt := ingest.Options{
		Actor: catalog.System, Org: catalog.OrgID(*o.org), Map: m, DryRun: *o.dryRun, Detect: analysis.Detect, Progress: p.progress(),
	}
	if *o.dryRun {
		report, err := ingest.Run(ctx, c, files, opt)
		return report, errors.Join(err, c.Close())
	}
	report, err := importAndIndex(ctx, c, data, files, opt)
	return report, errors.Join(err, c.Close())
}

func importAndIndex(ctx context.Context, c *catalog.Catalog, data folder, files []ingest.File, opt ingest.Options) (ingest.Report, error) {
	index, err := search.Open(search.Config{Dir: data.index(), Catalog: c})
	if err != nil {
		return ingest.Report{}, err
	}
	following, stop := context.WithCancel(ctx)
	g, following := errgroup.WithContext(following)
	g.Go(func() error { return ended(coursesync.Follow(following, c.Log(), index, nil)) })
	report, err := ingest.Run(ctx, c, files, opt)
	if err == nil {
		err = c.FlushStats(ctx)
	}
	stop()
	err = errors.Join(err, g.Wait())
	if err == nil {
		err = coursesync.CatchUp(ctx, c.Log(), index)
	}
	return report, errors.Join(err, index.Close())
}

// linesEvery is how often progress is told where there is no terminal.
const linesEvery = 10 * time.Second

// progress shows how far an import is: a bar on a terminal, a line now and then elsewhere.
func (p program) progress() func(ingest.Progress) {
	if f, ok := p.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		var bar *progressbar.ProgressBar
		file := ""
		return func(now ingest.Progress) {
			if bar == nil || now.File != file {
				file = now.File
				bar = progressbar.NewOptions(now.Total, progressbar.OptionSetWriter(p.stderr), progressbar.OptionSetDescription(filepath.Base(file)),
					progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString("rows"), progressbar.OptionOnCompletion(func() { p.say("\n") }))
			}
			_ = bar.Set(now.Read) // it fails on nothing but its writer
		}
	}
	last := time.Now()
	return func(now ingest.Progress) {
		if time.Since(last) >= linesEvery {
			last = time.Now()
			p.say("%s: %d of %d rows\n", now.File, now.Read, now.Total)
		}
	}
}

const (
	// pollEvery is how often a running server is asked how far an import is.
	pollEvery = 500 * time.Millisecond
	// answerBytes bounds what is read of a server's answer.
	answerBytes = 16 << 20
)

// importRemote sends each file to a running server and waits for its import to end.
func (p program) importRemote(ctx context.Context, o importFlags, names []string) error {
	total := ingest.Report{Errors: []catalog.ImportError{}}
	for _, name := range names {
		record, err := p.sendFile(ctx, o, name)
		if err != nil {
			return err
		}
		r := record.Rows
		total.Rows = catalog.ImportRows{
			Read: total.Rows.Read + r.Read, Created: total.Rows.Created + r.Created, Updated: total.Rows.Updated + r.Updated,
			Unchanged: total.Rows.Unchanged + r.Unchanged, Merged: total.Rows.Merged + r.Merged, Rejected: total.Rows.Rejected + r.Rejected,
		}
		total.Errors = append(total.Errors, record.Errors...)
		total.MoreErrors += record.MoreErrors
		if record.State != catalog.ImportDone {
			return p.report(o, total, fmt.Errorf("%s: the import ended as %q (%s)", name, record.State, record.Problem))
		}
	}
	return p.report(o, total, nil)
}

func (p program) sendFile(ctx context.Context, o importFlags, name string) (catalog.ImportRecord, error) {
	q := url.Values{"format": {*o.format}}
	if *o.org != "" {
		q.Set("org", *o.org)
	}
	if *o.dryRun {
		q.Set("dry_run", "true")
	}
	if *o.mapping != "" {
		text, err := mappingToSend(*o.mapping)
		if err != nil {
			return catalog.ImportRecord{}, err
		}
		q.Set("map", text)
	}
	file, err := os.Open(name) //nolint:gosec // the administrator names it
	if err != nil {
		return catalog.ImportRecord{}, err
	}
	defer func() { _ = file.Close() }() // only read
	r := remote{base: strings.TrimRight(*o.server, "/"), token: *o.token}
	var record catalog.ImportRecord
	err = r.call(ctx, http.MethodPost, "/v2/imports?"+q.Encode(), file, filepath.Base(name), &record)
	for err == nil && (record.State == catalog.ImportQueued || record.State == catalog.ImportRunning) {
		timer := time.NewTimer(pollEvery)
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-timer.C:
			err = r.call(ctx, http.MethodGet, "/v2/imports/"+record.ID, nil, "", &record)
		}
		timer.Stop()
	}
	return record, err
}

// mappingToSend is a preset's name, or the text of a mapping file: the server does not read our disk.
func mappingToSend(name string) (string, error) {
	if slices.Contains(ingest.Presets(), name) {
		return name, nil
	}
	text, err := os.ReadFile(name) //nolint:gosec // the administrator names it
	return string(text), err
}

// remote is a running server.
type remote struct{ base, token string }

// call sends a request and decodes the answer; a problem becomes an error that says what to do.
func (r remote) call(ctx context.Context, method, path string, body io.Reader, name string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, body)
	if err != nil {
		return fmt.Errorf("--server: %w", err)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	if body != nil && name == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if body != nil && name != "" {
		req.Header.Set("Content-Type", "text/csv")
		req.Header.Set("Content-Disposition", fmt.Sprintf("attachment; filename*=UTF-8''%s", url.PathEscape(name)))
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // read to its end below
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerBytes))
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return refusal(answer, text)
	}
	if raw, ok := into.(*json.RawMessage); ok {
		*raw = text
		return nil
	}
	return json.Unmarshal(text, into)
}

// refusal is an error that says why a server did not do what it was asked.
func refusal(answer *http.Response, body []byte) error {
	var problem struct {
		Title, Detail string
		Errors        []struct{ Pointer, Detail string }
	}
	if json.Unmarshal(body, &problem) != nil || problem.Title == "" {
		return fmt.Errorf("the server answers %s", answer.Status)
	}
	var message strings.Builder
	fmt.Fprintf(&message, "the server answers %d: %s. %s", answer.StatusCode, problem.Title, problem.Detail)
	for _, e := range problem.Errors {
		fmt.Fprintf(&message, "\n  %s: %s", e.Pointer, e.Detail)
	}
	return errors.New(message.String())
}

func (p program) search(ctx context.Context, args []string) error {
	f := newFlags("search", "QUERY [flags]", p.getenv, p.stderr)
	filters := f.list("filter", "`KEY=VALUE` as in GET /v2/search, for example tag=python or min_rating=4.5; may be repeated")
	facets := f.text("facets", "", "`NAMES` of facets to count, separated by commas, or *")
	locale := f.text("locale", "en", "`LANGUAGE` of the answer: en, fr or zh-Hans")
	asJSON := f.boolean("json", "print the body of GET /v2/search")
	data := f.text("data", "./data", "data `FOLDER`")
	server := f.text("server", "", "`URL` of a running server to ask, instead of a folder")
	words, err := f.parse(args)
	if err != nil {
		return err
	}
	tag, ok := locales.Parse(*locale)
	if !ok {
		return f.wrong("--locale %q: use en, fr or zh-Hans", *locale)
	}
	q := url.Values{}
	if len(words) > 0 {
		q.Set("q", strings.Join(words, " "))
	}
	for _, filter := range *filters {
		key, value, ok := strings.Cut(filter, "=")
		if !ok {
			return f.wrong("--filter %q is not KEY=VALUE", filter)
		}
		q.Add(key, value)
	}
	if *facets != "" {
		q.Set("facets", *facets)
	}
	var body []byte
	if *server != "" {
		q.Set("locale", *locale)
		var raw json.RawMessage
		err = remote{base: strings.TrimRight(*server, "/")}.call(ctx, http.MethodGet, "/v2/search?"+q.Encode(), nil, "", &raw)
		body = raw
	} else {
		body, err = searchFolder(ctx, folder(*data), q, catalog.Locale(tag))
	}
	if err != nil {
		return err
	}
	if *asJSON {
		_, err = fmt.Fprintf(p.stdout, "%s\n", bytes.TrimSpace(body))
		return err
	}
	return p.printHits(body)
}

// searchFolder answers from a data folder, as an anonymous caller sees it.
func searchFolder(ctx context.Context, data folder, q url.Values, locale catalog.Locale) (body []byte, err error) {
	req, err := search.ParseParams(q)
	if err != nil {
		return nil, err
	}
	req.Locale = locale
	for _, state := range req.States {
		if catalog.State(state) != catalog.Published {
			return nil, fault.New("search", fault.Forbidden).WithFix("this command sees what an anonymous caller sees: published courses")
		}
	}
	if _, err := os.Stat(data.log()); err != nil {
		return nil, fmt.Errorf("there is no catalog in %s; import one, or name its folder with --data", data)
	}
	c, err := catalog.Open(catalog.Config{Path: data.log(), Secrets: data.secrets()})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	index, err := search.Open(search.Config{Dir: data.index(), Catalog: c})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, index.Close()) }()
	if err := coursesync.CatchUp(ctx, c.Log(), index); err != nil {
		return nil, err
	}
	answer, err := index.Search(ctx, req)
	if err != nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// printHits prints an answer for people.
func (p program) printHits(body []byte) error {
	var answer struct {
		Total  int
		Hits   []struct{ Course catalog.Card }
		Facets map[string][]struct {
			Value, Label string
			Count        int
		}
		Corrected string
		Relaxed   bool
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	out := &bytes.Buffer{}
	if answer.Corrected != "" {
		fmt.Fprintf(out, "Did you mean: %s?\n", answer.Corrected)
	}
	if answer.Relaxed {
		fmt.Fprintln(out, "Nothing has all of the words; these have some.")
	}
	for _, h := range answer.Hits {
		c := h.Course
		rating := "not rated"
		if c.Rating != nil {
			rating = fmt.Sprintf("%.2f (%d)", *c.Rating, c.RatingCount)
		}
		fmt.Fprintf(out, "%-24s %s  [%s]\n", c.ID, c.Title, rating)
	}
	fmt.Fprintf(out, "%d of %d courses\n", len(answer.Hits), answer.Total)
	for _, name := range slices.Sorted(maps.Keys(answer.Facets)) {
		fmt.Fprintf(out, "%s:", name)
		for _, v := range answer.Facets[name] {
			fmt.Fprintf(out, " %s (%d)", v.Value, v.Count)
		}
		fmt.Fprintln(out)
	}
	_, err := p.stdout.Write(out.Bytes())
	return err
}

func (p program) token(_ context.Context, args []string) error {
	f := newFlags("token", "--subject ID [flags]", p.getenv, p.stderr)
	subject := f.text("subject", "", "`ID` of the person")
	name := f.text("name", "", "display `NAME`, shown with reviews")
	roles := f.list("role", "`ROLE`: learner, editor, translator or admin; may be repeated")
	org := f.text("org", "", "`ID` of the organization that the person belongs to")
	ttl := f.duration("ttl", identity.DefaultTTL, "how long it is valid, at most 8784h")
	link := f.boolean("link", "print a one-time link that signs in from a browser (valid 15 minutes)")
	base := f.text("public-url", "http://127.0.0.1:8080", "`URL` of the server, for the link")
	revoke := f.text("revoke", "", "`TOKEN` to revoke, instead of making one")
	data := f.text("data", "./data", "data `FOLDER`")
	rest, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return f.wrong("unexpected argument %q", rest[0])
	}
	keys, err := identity.OpenKeyring(folder(*data).secrets(), nil)
	if err != nil {
		return err
	}
	if *revoke != "" {
		return keys.Revoke(*revoke)
	}
	if *subject == "" {
		return f.wrong("--subject is needed: who is the token for?")
	}
	grant := identity.Grant{Actor: catalog.Actor{Subject: catalog.LearnerID(*subject), Name: *name, Org: catalog.OrgID(*org)}, TTL: *ttl, Link: *link}
	for _, role := range *roles {
		grant.Actor.Roles = append(grant.Actor.Roles, catalog.Role(role))
	}
	if *link {
		grant.TTL = identity.LinkTTL
	}
	token, err := keys.Sign(grant)
	if fault.Is(err, fault.InvalidFields) {
		return f.wrong("%s", explain(err))
	}
	if err != nil {
		return err
	}
	if *link {
		token = strings.TrimRight(*base, "/") + "/sign-in?token=" + token
	}
	_, err = fmt.Fprintln(p.stdout, token)
	return err
}

func (p program) keys(_ context.Context, args []string) error {
	f := newFlags("keys", "[list | rotate | remove KID] [flags]", p.getenv, p.stderr)
	data := f.text("data", "./data", "data `FOLDER`")
	words, err := f.parse(args)
	if err != nil {
		return err
	}
	keys, err := identity.OpenKeyring(folder(*data).secrets(), nil)
	if err != nil {
		return err
	}
	switch verb := strings.Join(words, " "); {
	case verb == "" || verb == "list":
		for i, id := range keys.Keys() {
			role := "verifies"
			if i == 0 {
				role = "signs"
			}
			_, _ = fmt.Fprintf(p.stdout, "%s %s\n", id, role)
		}
		return nil
	case verb == "rotate":
		id, err := keys.Rotate()
		if err == nil {
			_, err = fmt.Fprintln(p.stdout, id)
		}
		return err
	case len(words) == 2 && words[0] == "remove":
		return keys.Remove(words[1])
	}
	return f.wrong("use list, rotate or remove KID")
}

func (p program) locales(_ context.Context, args []string) error {
	f := newFlags("locales", "check | stats | pseudo [flags]", p.getenv, p.stderr)
	dir := f.text("dir", "", "`FOLDER` with message files; none: those built in")
	words, err := f.parse(args)
	if err != nil {
		return err
	}
	switch strings.Join(words, " ") {
	case "check":
		findings, err := locales.Check(*dir)
		if err != nil {
			return err
		}
		for _, finding := range findings {
			_, _ = fmt.Fprintln(p.stdout, finding)
		}
		if len(findings) > 0 {
			return fmt.Errorf("%d findings", len(findings))
		}
		return nil
	case "stats":
		shares, err := locales.Stats(*dir)
		if err != nil {
			return err
		}
		for _, s := range shares {
			_, _ = fmt.Fprintf(p.stdout, "%-8s %d of %d texts, %d of %d words to translate\n", s.Tag, s.Translated, s.Texts, s.WordsLeft, s.Words)
		}
		return nil
	case "pseudo":
		return locales.Pseudo(p.stdout)
	}
	return f.wrong("use check, stats or pseudo")
}

func (p program) version(context.Context, []string) error {
	version := "development"
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			version = v
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				version += " " + s.Value
			}
		}
	}
	_, err := fmt.Fprintf(p.stdout, "carrel %s, changelog format %d\n", version, coursesync.FormatVersion)
	return err
}
