package sync_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	stdsync "sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	coursesync "github.com/carrel-lms/carrel/sync"
)

// The tests in here run this test program again, as another process. The environment tells it what to be.
const (
	roleEnv = "CARREL_TEST_ROLE"
	pathEnv = "CARREL_TEST_PATH"
)

func playRole(role string) int {
	var err error
	switch path := os.Getenv(pathEnv); role {
	case "writer":
		err = playWriter(path)
	case "full":
		err = playFull(path)
	default:
		err = errors.New("no such role")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func player(ctx context.Context, role, path string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role, pathEnv+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// playWriter appends from several goroutines until it is killed, and says on stdout what was acknowledged.
func playWriter(path string) error {
	b, err := coursesync.OpenBolt(coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 1}, Logger: quiet})
	if err != nil {
		return err
	}
	start, err := b.Head(context.Background())
	if err != nil {
		return err
	}
	var all stdsync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for n := 0; ; n++ {
				key := fmt.Sprintf("%d-%d-%d", start, w, n)
				batch := []coursesync.Change{
					upsert("catalog", key+"/a", `"`+key+`"`), upsert("org:acme", key+"/b", `"`+key+`"`),
					upsert("catalog", fmt.Sprintf("hot-%d", n%3), `"`+key+`"`), remove("catalog", fmt.Sprintf("hot-%d", (n+1)%3)),
				}
				if _, err := b.Append(context.Background(), batch...); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				os.Stdout.WriteString(key + "\n")
			}
		})
	}
	all.Wait()
	return nil
}

// TestKill kills a writer at a random moment, again and again on one file: what was acknowledged is there, what was not is there as a whole or not
// at all, and follower zero agrees.
func TestKill(t *testing.T) {
	rounds := 4
	if soak() {
		rounds = 60
	}
	path := filepath.Join(t.TempDir(), "log.db")
	acked := map[string]bool{}
	for range rounds {
		killWriter(t, path, 1+rand.IntN(200), acked)
		checkKilled(t, path, acked)
		if t.Failed() {
			return
		}
	}
}

// killWriter kills a writer when it has said so many lines, and notes all that it said.
func killWriter(t *testing.T, path string, lines int, acked map[string]bool) {
	t.Helper()
	cmd := player(t.Context(), "writer", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(out)
	for n := 0; ; n++ {
		if n == lines {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		line, err := in.ReadString('\n')
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			if n < lines {
				t.Fatalf("the writer ended by itself after %d lines", n)
			}
			break
		}
		acked[line[:len(line)-1]] = true
	}
	_ = cmd.Wait() // it was killed
}

func checkKilled(t *testing.T, path string, acked map[string]bool) {
	t.Helper()
	b := open(t, coursesync.BoltConfig{Path: path, Zero: &byBody{schema: 1}})
	defer shut(t, b)
	there := map[string]bool{}
	var last coursesync.Seq
	for _, c := range readAll(t, b, 0) {
		there[c.Key] = c.Op == coursesync.OpUpsert
		last = c.Seq
	}
	if head := headOf(t, b); head != last {
		t.Errorf("the head is %d, the last change %d", head, last)
	}
	for key := range acked {
		if !there[key+"/a"] || !there[key+"/b"] {
			t.Errorf("%s was acknowledged and is gone", key)
		}
	}
	for key := range there {
		if stem, half := cutHalf(key); half && there[stem+"/a"] != there[stem+"/b"] {
			t.Errorf("half of %s is there", stem)
		}
	}
	got, want := rowsOf(t, b)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("follower zero (-want +got):\n%s", diff)
	}
	checkFile(t, b)
}

func cutHalf(key string) (string, bool) {
	n := len(key) - 2
	return key[:n], key[n] == '/'
}

// checkFile lets bbolt check its pages.
func checkFile(t *testing.T, b *coursesync.Bolt) {
	t.Helper()
	if err := b.View(context.Background(), func(v *coursesync.BoltView) error {
		var all []error
		for err := range v.Tx().Check(bolt.WithKVStringer(bolt.HexKVStringer())) {
			all = append(all, err)
		}
		return errors.Join(all...)
	}); err != nil {
		t.Errorf("bbolt: %v", err)
	}
}
