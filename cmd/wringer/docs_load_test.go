package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"wringer/drivers/drivertest/tier"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/shop"
)

// TestDocsExamplesOfLoad runs the first examples of docs/load.md against the shop.
func TestDocsExamplesOfLoad(t *testing.T) {
	tier.Slow(t, "it runs every load example in real time")
	target, err := shop.Open(t.Context(), shop.Config{}, scenarios.TargetEnv{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close(context.WithoutCancel(t.Context()))
	vars := target.Vars()
	broker, _, _ := strings.Cut(vars["kafka"], ",")
	dir := t.TempDir()
	for name, content := range map[string]string{
		"users.csv":   "name\nann\n",
		"targets.txt": "GET " + vars["rest"] + "/healthz\n",
		"body.json":   `{"orderId":"{{id}}","customerId":"c","items":[{"id":"item1","quantity":1}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here := strings.NewReplacer("http://127.0.0.1:8080", vars["rest"], "127.0.0.1:9090", vars["grpc"], "127.0.0.1:9092", broker,
		"users.csv", filepath.Join(dir, "users.csv"), "targets.txt", filepath.Join(dir, "targets.txt"), "body.json", filepath.Join(dir, "body.json"),
		"results.bin", filepath.Join(dir, "results.bin"), "scenarios/shop", "../../scenarios/shop", " --rate max", " --users 2", "--users 64", "--users 2")
	var lines []string
	for _, b := range readDocument(t, "docs/load.md").blocks() {
		if b.lang == "sh" && b.part == "shop" {
			lines = append(lines, b.commands()...)
		}
	}
	if len(lines) < 7 {
		t.Fatalf("%d examples in docs/load.md", len(lines))
	}
	for _, line := range lines {
		t.Run(line, func(t *testing.T) {
			record := filepath.Join(t.TempDir(), "record")
			args := append(split(here.Replace(line))[1:], "-q", "--for", "300ms", "--out", record)
			code, stdout, stderr := wringer(t, args...)
			if code == reports.ExitUsage || code == reports.ExitHarness {
				t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
			}
			// A busy machine's shop may answer only a part in time.
			if total := loadRecord(t, record).Run.Streams[loadStream].Total; total.Acked == 0 {
				t.Errorf("nothing was acked:\n%s", stdout)
			}
		})
	}
}
