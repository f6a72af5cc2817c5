package sync_test

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	coursesync "github.com/carrel-lms/carrel/sync"
	"github.com/carrel-lms/carrel/sync/logtest"
)

func TestMain(m *testing.M) {
	if role := os.Getenv("CARREL_TEST_ROLE"); role != "" {
		os.Exit(playRole(role))
	}
	goleak.VerifyTestMain(m)
}

// soak says whether the long versions run.
func soak() bool { return os.Getenv("CARREL_SOAK") != "" }

func open(t testing.TB, cfg coursesync.BoltConfig) *coursesync.Bolt {
	t.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "log.db")
	}
	b, err := coursesync.OpenBolt(cfg)
	if err != nil {
		t.Fatalf("OpenBolt: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return b
}

func TestBolt(t *testing.T) {
	logtest.Run(t, func(t *testing.T) coursesync.Log { return open(t, coursesync.BoltConfig{}) })
}

func TestMemory(t *testing.T) {
	logtest.Run(t, func(*testing.T) coursesync.Log { return coursesync.NewMemory("memory", nil) })
}

func playRole(string) int { return 2 }
