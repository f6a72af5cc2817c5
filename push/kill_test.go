//go:build !nofirebase

package push_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/locales"
	"github.com/carrel-lms/carrel/push"
	"github.com/carrel-lms/carrel/push/fcm"
	"github.com/carrel-lms/carrel/push/fcmtest"
	coursesync "github.com/carrel-lms/carrel/sync"
)

// Environment of a child: the folder that it works in, the stand-in, and whether it only finishes what there is.
const (
	childFolder   = "CARREL_PUSH_CHILD"
	childEndpoint = "CARREL_PUSH_ENDPOINT"
	childFinishes = "CARREL_PUSH_FINISH"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if folder := os.Getenv(childFolder); folder != "" {
		if err := child(folder); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// node is a catalog with what follows it, as the server has it.
type node struct {
	catalog *catalog.Catalog
	push    *push.Push
}

func openNode(ctx context.Context, folder, endpoint string) (n node, err error) {
	if n.catalog, err = catalog.Open(catalog.Config{Path: filepath.Join(folder, "carrel.db")}); err != nil {
		return n, err
	}
	sender, err := fcm.New(ctx, fcmtest.Project, endpoint)
	if err != nil {
		return n, err
	}
	texts, err := locales.Load("")
	if err != nil {
		return n, err
	}
	n.push, err = push.Open(ctx, push.Quick(push.Config{
		Path: filepath.Join(folder, "push.db"), Catalog: n.catalog, Texts: texts, Sender: sender,
		AsOf: func(s coursesync.Seq) string { return fmt.Sprint(s) },
	}))
	return n, err
}

func (n node) close() error { return errors.Join(n.push.Close(), n.catalog.Close()) }

// run follows and sends until the work is done.
func (n node) run(ctx context.Context, work func(ctx context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	g, running := errgroup.WithContext(ctx)
	ended := func(err error) error {
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
	g.Go(func() error { return ended(coursesync.Follow(running, n.catalog.Log(), n.push, nil)) })
	g.Go(func() error { return ended(n.push.Run(running)) })
	g.Go(func() error {
		defer stop()
		return ended(work(running))
	})
	return g.Wait()
}

// child works in a process of its own: it finishes an import for one learner after another, until it is killed, or until there is nothing left to send.
func child(folder string) error {
	ctx := context.Background()
	n, err := openNode(ctx, folder, os.Getenv(childEndpoint))
	if err != nil {
		return err
	}
	work := n.write
	if os.Getenv(childFinishes) != "" {
		work = n.finish
	}
	return errors.Join(n.run(ctx, work), n.close())
}

// write makes learners with a device each, whose import is done.
func (n node) write(ctx context.Context) error {
	imports, err := n.catalog.ListImports(ctx, catalog.System, catalog.Page{Limit: 1})
	if err != nil {
		return err
	}
	next := 0
	if len(imports.Items) > 0 {
		_, _ = fmt.Sscanf(imports.Items[0].Value.ID, "import-%d", &next)
	}
	for i := next + 1; ctx.Err() == nil; i++ {
		if _, err := n.catalog.Update(ctx, catalog.System, func(tx *catalog.Tx) error { return importFor(tx, i) }); err != nil {
			return err
		}
		_, _ = fmt.Fprintln(os.Stdout, i)
		time.Sleep(time.Millisecond)
	}
	return nil
}

func importFor(tx *catalog.Tx, i int) error {
	who := catalog.LearnerID(fmt.Sprint("learner-", i))
	platform := []catalog.Platform{catalog.PlatformAndroid, catalog.PlatformIOS, catalog.PlatformWeb}[i%3]
	if _, err := tx.PutDevice(who, "phone", catalog.Device{Token: fmt.Sprint("token-", i), Platform: platform}, catalog.Cond{}); err != nil {
		return err
	}
	return tx.PutImport(catalog.ImportRecord{
		ID: fmt.Sprintf("import-%d", i), By: who, File: "courses.csv", Format: "csv", State: catalog.ImportDone, StartedAt: time.Now(),
	})
}

// finish waits until all is sent.
func (n node) finish(ctx context.Context) error {
	head, err := n.catalog.Log().Head(ctx)
	if err != nil {
		return err
	}
	for quiet := 0; quiet < 10; {
		time.Sleep(20 * time.Millisecond)
		cursor, err := n.push.Cursor(ctx)
		if err != nil {
			return err
		}
		s, err := n.push.Status(0, 0)
		if err != nil {
			return err
		}
		if quiet++; cursor.Seq < head || s.Undecided > 0 || s.Queued > 0 || s.Notes > 0 {
			quiet = 0
		}
	}
	return nil
}

// start starts a child; the returned reader says how far it is.
func start(t *testing.T, folder, endpoint, finishes string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childFolder+"="+folder, childEndpoint+"="+endpoint, childFinishes+"="+finishes)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// TestKill kills a process that follows, decides and sends, twenty times while 30 % of the requests fail, and twenty times while 90 % do. Each message
// is taken at least once. One that is taken twice was taken before a kill and again after it, under the same key, so that a phone shows it once.
func TestKill(t *testing.T) {
	t.Parallel()
	for _, share := range []float64{.3, .9} {
		t.Run(fmt.Sprint(share), func(t *testing.T) {
			t.Parallel()
			const kills = 20
			folder, service := t.TempDir(), fcmtest.New(t)
			service.Fail(fcmtest.Mostly(share))
			var killed []time.Time
			last := 0
			for range kills {
				cmd, lines := start(t, folder, service.URL, "")
				for range 5 + rand.IntN(40) {
					if !lines.Scan() {
						t.Fatal("the child ended by itself")
					}
					_, _ = fmt.Sscan(lines.Text(), &last)
				}
				time.Sleep(rand.N(60 * time.Millisecond))
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				for lines.Scan() {
					_, _ = fmt.Sscan(lines.Text(), &last)
				}
				_ = cmd.Wait()
				time.Sleep(30 * time.Millisecond) // what it had sent is read
				killed = append(killed, time.Now())
			}
			service.Fail(nil)
			cmd, lines := start(t, folder, service.URL, "1")
			for lines.Scan() {
				_ = lines.Text()
			}
			if err := cmd.Wait(); err != nil {
				t.Fatal(err)
			}
			twice := checkTaken(t, service.Shown(), last, killed)
			checkInboxes(t, folder, last)
			t.Logf("%d messages, %d of them twice, %d kills", last, twice, kills)
		})
	}
}

// checkTaken looks at what the service took: for each token one message, or more with a kill between each two.
func checkTaken(t *testing.T, taken []fcmtest.Message, last int, killed []time.Time) (twice int) {
	t.Helper()
	by := map[string][]fcmtest.Message{}
	for _, m := range taken {
		by[m.Token] = append(by[m.Token], m)
	}
	for i := 1; i <= last; i++ {
		token := fmt.Sprint("token-", i)
		if len(by[token]) == 0 {
			t.Errorf("%s got nothing", token)
		}
		for k, m := range by[token] {
			if k == 0 {
				continue
			}
			twice++
			before := by[token][k-1]
			between := false
			for _, at := range killed {
				between = between || before.At.Before(at) && m.At.After(at)
			}
			if !between || m.Collapse() != before.Collapse() || m.Data["notification_id"] != before.Data["notification_id"] {
				t.Errorf("%s got twice, at %s and %s: %+v, %+v", token, before.At, m.At, before, m)
			}
		}
	}
	return twice
}

// checkInboxes looks for one notification of each.
func checkInboxes(t *testing.T, folder string, last int) {
	t.Helper()
	c, err := catalog.Open(catalog.Config{Path: filepath.Join(folder, "carrel.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	for i := 1; i <= last; i++ {
		list, err := c.MyNotifications(t.Context(), catalog.LearnerID(fmt.Sprint("learner-", i)), catalog.Page{})
		if err != nil || len(list.Items) != 1 || list.Items[0].Value.Subject.ID != fmt.Sprintf("import-%d", i) {
			b, _ := json.Marshal(list.Items)
			t.Errorf("the inbox of learner-%d: %s, %v", i, b, err)
		}
	}
}

// TestOnce: when nothing fails and nothing is killed, each message is sent once.
func TestOnce(t *testing.T) {
	t.Parallel()
	service := fcmtest.New(t)
	n, err := openNode(t.Context(), t.TempDir(), service.URL)
	if err != nil {
		t.Fatal(err)
	}
	const learners = 1_200 // three batches
	err = n.run(t.Context(), func(ctx context.Context) error {
		for from := 0; from < learners; from += 100 {
			_, err := n.catalog.Update(ctx, catalog.System, func(tx *catalog.Tx) error {
				for i := range 100 {
					if err := importFor(tx, from+i); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return n.finish(ctx)
	})
	if err := errors.Join(err, n.close()); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, m := range service.Shown() {
		got[m.Token]++
	}
	for i := range learners {
		if n := got[fmt.Sprint("token-", i)]; n != 1 {
			t.Errorf("token-%d got %d messages", i, n)
		}
	}
}
