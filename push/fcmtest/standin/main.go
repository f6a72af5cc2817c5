// Command standin takes messages in the place of Firebase Cloud Messaging, on a developer's machine: it prints each as a line of JSON, and fails as often as it is
// asked to.
//
//	go run ./push/fcmtest/standin --fail 0.3
//	CARREL_FCM_PROJECT=any CARREL_FCM_ENDPOINT=http://127.0.0.1:9099 carrel serve
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/carrel-lms/carrel/push/fcmtest"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "standin:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("standin", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:9099", "where to listen")
	share := flags.Float64("fail", 0, "share of the messages that are not taken, from 0 to 1")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *share < 0 || *share > 1 {
		return fmt.Errorf("--fail is %v: it is a share from 0 to 1", *share)
	}
	lines := json.NewEncoder(out)
	service := &fcmtest.Server{Took: func(m *fcmtest.Message) { _ = lines.Encode(m) }}
	service.Fail(fcmtest.Mostly(*share))
	const headers = 10 * time.Second
	server := http.Server{Addr: *addr, Handler: service, ReadHeaderTimeout: headers}
	return server.ListenAndServe()
}
