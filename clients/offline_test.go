package clients_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPlanFiles runs the module for offline lessons in node: each file is fetched once, in the manifests' order, and only what none of them has is deleted.
func TestPlanFiles(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "there is no node")
	}
	const script = `
import { planFiles } from "./offline.js";
const file = (id, sha256, size) => ({ id, sha256, size });
const go = { assets: [file("plan", "p", 5), file("film", "f", 900)] };
const ada = { assets: [file("intro", "i", 7), file("same", "f", 900), file("twice", "i", 7)] };
const plan = (manifests, held) => { const p = planFiles(manifests, held); return [p.fetch.map((a) => a.id).join(), p.bytes, p.remove.join()]; };
console.log(JSON.stringify([
  plan([go, ada], []), plan([go, ada], ["f", "old"]), plan([ada], ["p", "f"]), plan([], new Set(["p"])), plan([go], ["p", "f"]),
]));`
	cmd := exec.CommandContext(t.Context(), node, "--input-type=module", "-e", script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got [][]any
	if err := json.NewDecoder(strings.NewReader(string(out))).Decode(&got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	want := [][]any{{"plan,film,intro", 912.0, ""}, {"plan,intro", 12.0, "old"}, {"intro", 7.0, "p"}, {"", 0.0, "p"}, {"", 0.0, ""}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
