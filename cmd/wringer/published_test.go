package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"wringer/reports"
)

// The shipped scenario of streams that only consume passes on the honest shop, and catches one that publishes twice.
func TestPublished(t *testing.T) {
	bin := buildCommand(t)
	const file = "../../scenarios/published.yaml"
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lying := bytes.Replace(src, []byte("{shop: {}}"), []byte("{shop: {defects: [publish-twice]}}"), 1)
	liar := filepath.Join(t.TempDir(), "liar.yaml")
	if err := os.WriteFile(liar, lying, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Run("honest", func(t *testing.T) {
		t.Parallel()
		passes(t, bin, file)
	})
	t.Run("liar", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "record")
		if code, stdout, stderr := bin.run(t, "run", "--quiet", "--out", dir, liar); code != reports.ExitFail {
			t.Fatalf("exit %d, want fail:\n%s%s", code, stdout, stderr)
		}
		for _, g := range loadRecord(t, dir).Run.Gates {
			if twice := g.Expr == "events.log_duplicates == 0"; twice != (g.Verdict == reports.Fail) {
				t.Errorf("%s: %s", g.Expr, g.Verdict)
			}
		}
	})
}
