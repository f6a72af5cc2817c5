package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/carrel-lms/carrel/catalog"
	"github.com/carrel-lms/carrel/push"
)

// push sends a test message to a device: through a running server, or from a folder that none holds.
func (p program) push(ctx context.Context, args []string) error {
	f := newFlags("push", "test --device ID --learner ID [flags]", p.getenv, p.stderr)
	device := f.text("device", "", "`ID` of the device, as its app registered it")
	learner := f.text("learner", "", "`ID` of the learner whose device it is")
	data := f.text("data", "./data", "data `FOLDER`, while no server holds it")
	project := f.text("fcm-project", "", "`ID` of the Firebase project; with --server it is the server's")
	endpoint := f.text("fcm-endpoint", "", "base `URL` to send to instead of Google's, without credentials")
	server := f.text("server", "", "`URL` of a running server that sends it, instead of a folder")
	token := f.text("token", "", "bearer `TOKEN` for the server, of an administrator without an organization")
	words, err := f.parse(args)
	if err != nil {
		return err
	}
	if len(words) != 1 || words[0] != "test" || *device == "" || *learner == "" {
		return f.wrong("say what to do: test, with --device and --learner")
	}
	if err := f.base("fcm-endpoint", *endpoint); err != nil {
		return err
	}
	var said struct {
		Outcome push.Reason `json:"outcome"`
		Detail  string      `json:"detail"`
	}
	if *server != "" {
		body, err := json.Marshal(map[string]string{"learner": *learner, "device": *device})
		if err != nil {
			return err
		}
		r := remote{base: strings.TrimRight(*server, "/"), token: *token}
		if err := r.call(ctx, http.MethodPost, "/v2/push/test", bytes.NewReader(body), "", &said); err != nil {
			return err
		}
	} else {
		outcome, err := testPush(ctx, options{data: *data, fcmProject: *project, fcmEndpoint: *endpoint}, catalog.LearnerID(*learner), catalog.DeviceID(*device))
		if err != nil {
			return err
		}
		said.Outcome, said.Detail = outcome.Reason, outcome.Detail
	}
	switch said.Outcome {
	case push.Sent:
	case push.ReasonUnregistered, push.ReasonMismatch:
		return fmt.Errorf("the push service does not know this device, which is removed until its app registers it again: %s: %s", said.Outcome, said.Detail)
	default:
		return fmt.Errorf("the push service refused it: %s: %s", said.Outcome, said.Detail)
	}
	_, err = fmt.Fprintln(p.stdout, "the push service took the message; the device shows it when it is on")
	return err
}

// testPush sends a test message from a folder.
func testPush(ctx context.Context, o options, who catalog.LearnerID, id catalog.DeviceID) (outcome push.Outcome, err error) {
	s, err := newServer(o)
	if err != nil {
		return outcome, err
	}
	outcome, err = s.push.Test(ctx, who, id)
	if closed := s.close(); err == nil {
		err = closed
	}
	return outcome, err
}
