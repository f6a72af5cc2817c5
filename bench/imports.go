package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	goalRowsOne   = 4000
	goalRowsThree = 2000
	goalPeakMB    = 600
	goalReady     = 2 * time.Second
)

// imports runs carrel import as a whole process, in one language and in three, and starts a server on the result.
func (b *bench) imports() error {
	section(fmt.Sprintf("Import of %d courses, searchable at the end", b.courses))
	fmt.Println("| | rows/s | peak MB | changelog MB | index MB | ready after start, s |\n|---|---|---|---|---|---|")
	for _, c := range []struct {
		name  string
		three bool
		goal  float64
	}{{"one", false, goalRowsOne}, {"three", true, goalRowsThree}} {
		file := filepath.Join(b.dir, c.name+".csv")
		if err := create(file, b.courses, c.three); err != nil {
			return err
		}
		data := filepath.Join(b.dir, c.name)
		start := time.Now()
		cmd := exec.Command(b.binary, "import", file, "--data", data)
		cmd.Stderr = os.Stderr
		if out, err := cmd.Output(); err != nil {
			return fmt.Errorf("import: %w: %s", err, out)
		}
		took := time.Since(start)
		peak := float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
		ready, err := b.ready(data)
		if err != nil {
			return err
		}
		fmt.Printf("| in %s language(s) | %.0f: %s | %.0f: %s | %.0f | %.0f | %.2f: %s |\n", c.name,
			float64(b.courses)/took.Seconds(), verdict(float64(b.courses)/took.Seconds()/c.goal, 1), peak, verdict(goalPeakMB/peak, 1),
			megabytes(filepath.Join(data, "carrel.db")), megabytes(filepath.Join(data, "search")), ready.Seconds(), verdict(goalReady.Seconds()/ready.Seconds(), 1))
	}
	return nil
}

func create(path string, n int, three bool) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	if err := writeCSV(w, n, three); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// server is a running carrel serve.
type server struct {
	cmd *exec.Cmd
	url string
}

// serve starts a server without a limit on what one caller may ask. What it logs goes to a file, since an overload is logged line by line.
func (b *bench) serve(data string, env ...string) (*server, error) {
	log, err := os.OpenFile(filepath.Join(b.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(b.binary, "serve", "--addr", "127.0.0.1:0", "--data", data, "--log-level", "error", "--rate-limit", "-1")
	cmd.Stderr, cmd.Env = log, append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b.servers = append(b.servers, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("the server did not start: %w: %s", err, text[max(0, len(text)-2000):])
	}
	_, url, _ := strings.Cut(strings.TrimSpace(line), "ready at ")
	return &server{cmd, url}, nil
}

func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.cmd.Wait()
}

// endServers ends those that an error left running.
func (b *bench) endServers() {
	for _, cmd := range b.servers {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}
}

// ready measures the time from start to the ready line, the best of three.
func (b *bench) ready(data string) (time.Duration, error) {
	var all times
	for range 3 {
		start := time.Now()
		s, err := b.serve(data)
		if err != nil {
			return 0, err
		}
		all = append(all, time.Since(start))
		if err := s.stop(); err != nil {
			return 0, err
		}
	}
	return all.at(0), nil
}

func megabytes(path string) float64 {
	var total int64
	_ = filepath.Walk(path, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			total += info.Size()
		}
		return nil
	})
	return float64(total) / (1 << 20)
}
