package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// streamSettle is how long the server rests before its memory is read.
const streamSettle = 3 * time.Second

// streams measures what phones cost that only wait.
func (b *bench) streams() error {
	data, err := b.syncFolder()
	if err != nil {
		return err
	}
	s, keys, err := b.syncServer(data)
	if err != nil {
		return err
	}
	a, err := newAdmin(s.url, keys)
	if err != nil {
		return err
	}
	time.Sleep(streamSettle)
	goroutines, err := goroutinesOf(s.url)
	if err != nil {
		return err
	}
	before := memory(s.cmd.Process.Pid, "RssAnon")
	list, err := openStreams(s.url, phoneCount)
	if err != nil {
		return err
	}
	time.Sleep(streamSettle)
	after, err := goroutinesOf(s.url)
	if err != nil {
		return err
	}
	grown := memory(s.cmd.Process.Pid, "RssAnon") - before
	start := time.Now()
	if err := a.publish("", 1); err != nil {
		return err
	}
	if err := list.heard(); err != nil {
		return err
	}
	section("Idle streams")
	fmt.Printf("%d streams of the public channel:\n\n- memory of the server: %.0f MB more, %.1f kB a stream (anonymous memory; the kernel's buffers are not in it)\n- goroutines: %.2f a stream\n- after a publication the last one heard of it in %.2f s\n",
		phoneCount, grown, grown*1024/phoneCount, float64(after-goroutines)/phoneCount, time.Since(start).Seconds())
	list.close()
	return s.stop()
}

// streamList are open streams.
type streamList []*wire

// openStreams opens streams and reads their first news, which is how far the channels are.
func openStreams(url string, n int) (list streamList, err error) {
	list = make(streamList, n)
	request := getRequest("/v2/sync/stream?channels=catalog", "Accept: text/event-stream")
	err = parallel(syncConnections, n, func(i int) (err error) {
		if list[i], err = dial(url); err != nil {
			return err
		}
		if _, err = list[i].conn.Write(request); err != nil {
			return err
		}
		return list[i].hear()
	})
	return list, err
}

// hear reads until there was news.
func (w *wire) hear() error {
	buf := make([]byte, 2048)
	have := 0
	for !bytes.Contains(buf[:have], []byte("event: head")) {
		if have == len(buf) {
			return errAnswer
		}
		if err := w.conn.SetReadDeadline(time.Now().Add(wireTimeout)); err != nil {
			return err
		}
		n, err := w.conn.Read(buf[have:])
		if have += n; err != nil {
			return fmt.Errorf("%w after %q", err, buf[:have])
		}
	}
	return nil
}

// heard waits until all have heard news.
func (l streamList) heard() error {
	errs := make([]error, len(l))
	var wg sync.WaitGroup
	for i, w := range l {
		wg.Go(func() { errs[i] = w.hear() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (l streamList) close() {
	for _, w := range l {
		w.close()
	}
}

// goroutinesOf asks a server how many it has.
func goroutinesOf(url string) (int, error) {
	w, err := dial(url)
	if err != nil {
		return 0, err
	}
	defer w.close()
	r, err := w.ask(getRequest("/metrics"))
	if err != nil || r.status != http.StatusOK {
		return 0, errors.Join(err, errAnswer)
	}
	_, rest, _ := strings.Cut(string(r.body), "\ngo_goroutines ")
	line, _, _ := strings.Cut(rest, "\n")
	return strconv.Atoi(line)
}
