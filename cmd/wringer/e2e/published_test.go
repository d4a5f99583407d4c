package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wringer/reports"
)

// The shipped scenarios of consuming streams pass on the honest shop, and with workers that commit after their work. A shop
// that publishes twice fails, and so do workers that lose records when they die, or get records twice.
func TestPublished(t *testing.T) {
	several(t)
	bin := buildCommand(t)
	for name, c := range map[string]struct {
		file    string
		change  []string // old and new texts by turns
		violate []string // all that fails
	}{
		"honest shop":  {"published.yaml", nil, nil},
		"lying shop":   {"published.yaml", []string{"{shop: {}}", "{shop: {defects: [publish-twice]}}"}, []string{"events.log_duplicates == 0"}},
		"commit after": {"group.yaml", nil, nil},
		"commit before": {"group.yaml", []string{"commit: after", "commit: before", "[leave, freeze, die]", "[die]", "work: 8ms", "work: 16ms"}, // seldom idle
			[]string{"workers.group_lost == 0"}},
		"frozen workers get records twice": {"group.yaml", []string{"[leave, freeze, die]", "[freeze]", "[at least once]", "[exactly once]"},
			[]string{"workers.redelivered == 0"}},
		"consumers that know what they did": {"consumers.yaml", nil, nil},
		"consumers that do not": {"consumers.yaml", []string{`"${links.fulfilment->kafka}"}}`, `"${links.fulfilment->kafka}", defects: [redeliver]}}`},
			[]string{"orders.effect_duplicates == 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			scenario(t, usual)
			src, err := os.ReadFile("../../../scenarios/" + c.file)
			if err != nil {
				t.Fatal(err)
			}
			for pair := range slices.Chunk(c.change, 2) {
				if !bytes.Contains(src, []byte(pair[0])) {
					t.Fatalf("the scenario has no %q", pair[0])
				}
			}
			file := filepath.Join(t.TempDir(), c.file)
			if err := os.WriteFile(file, []byte(strings.NewReplacer(c.change...).Replace(string(src))), 0o644); err != nil {
				t.Fatal(err)
			}
			if len(c.violate) == 0 {
				passes(t, bin, file)
				return
			}
			dir := filepath.Join(t.TempDir(), "record")
			if code, stdout, stderr := bin.run(t, "run", "--quiet", "--out", dir, file); code != reports.ExitFail {
				t.Fatalf("exit %d, want fail:\n%s%s", code, stdout, stderr)
			}
			for _, g := range loadRecord(t, dir).Run.Gates {
				if want := slices.Contains(c.violate, g.Expr); want != (g.Verdict == reports.Fail) {
					t.Errorf("%s: %s, %s", g.Expr, g.Verdict, g.Why)
				}
			}
		})
	}
}
