//go:build !nofirebase

package main

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/carrel-lms/carrel/push/fcmtest"
)

// testMessage runs carrel push test, and returns what it says when it fails; "" when it does not.
func testMessage(t *testing.T, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "carrel", append([]string{"push", "test"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return ""
	}
	return string(out)
}

// TestPushTestUnconfigured: where no push service is configured, carrel push test says what to set: of a server and of a folder.
func TestPushTestUnconfigured(t *testing.T) {
	dir := t.TempDir()
	root := adminToken(t, dir)
	server := startServer(t, dir)
	send(t, http.MethodPut, server.url+"/v2/me/devices/phone", root, `{"token":"token","platform":"android"}`)
	of := []string{"--learner", "root", "--device", "phone"}
	remote := testMessage(t, nil, append(of, "--server", server.url, "--token", root)...)
	server.kill()
	local := testMessage(t, nil, append(of, "--data", dir)...)
	for where, said := range map[string]string{"a server": remote, "a folder": local} {
		if !strings.Contains(said, "No push service is configured") || !strings.Contains(said, "CARREL_FCM_PROJECT") {
			t.Errorf("of %s: %q", where, said)
		}
	}
}

// TestPushTestWrongDevice: whoever mistypes a device is told which there are, by a server and of a folder.
func TestPushTestWrongDevice(t *testing.T) {
	dir := t.TempDir()
	root := adminToken(t, dir)
	env := []string{"CARREL_FCM_PROJECT=" + fcmtest.Project, "CARREL_FCM_ENDPOINT=" + fcmtest.New(t).URL}
	server := startServer(t, dir, env...)
	send(t, http.MethodPut, server.url+"/v2/me/devices/phone", root, `{"token":"token","platform":"android"}`)
	of := []string{"--learner", "root", "--device", "phnoe"}
	remote := testMessage(t, nil, append(of, "--server", server.url, "--token", root)...)
	server.kill()
	local := testMessage(t, env, append(of, "--data", dir)...)
	for where, said := range map[string]string{"a server": remote, "a folder": local} {
		if !strings.Contains(said, "has no device “phnoe”. Registered are: phone.") {
			t.Errorf("of %s: %q", where, said)
		}
	}
}
