package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/shop"
)

func TestLoad(t *testing.T) {
	target, err := shop.Open(t.Context(), shop.Config{}, scenarios.TargetEnv{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close(context.WithoutCancel(t.Context()))
	vars := target.Vars()
	broker, _, _ := strings.Cut(vars["kafka"], ",")
	for name, args := range map[string][]string{
		"get":  {vars["rest"] + "/healthz", "--rate", "100/s"},
		"post": {vars["rest"] + "/orders", "-X", "POST", "-H", "Idempotency-Key: {{id}}", "-d", `{"orderId":"{{id}}","customerId":"c","items":[{"id":"item1","quantity":1}]}`, "--users", "4"},
		"grpc": {"grpc://" + vars["grpc"] + "/shop.v1.Inventory/Reserve", "-d", `{"orderId":"{{id}}","itemId":"item1","quantity":1}`, "--rate", "100/s"},
		"grpc options": {"grpc://" + vars["grpc"] + "/shop.v1.Inventory/Reserve", "-d", `{"orderId":"{{id}}","itemId":"item1","quantity":1}`, "--rate", "100/s",
			"--proto", "../../scenarios/shop/inventory.proto", "--connections", "3", "--lb-strategy", "round_robin", "--gzip", "--authority", "shop"},
		"stream": {"grpc://" + vars["grpc"] + "/shop.v1.Inventory/Sync", "-d", `{"itemId":"item{{seq}}","delta":-1}`, "--rate", "100/s",
			"--messages", "3", "--message-interval", "1ms", "--replies", "3", "--expect", "messages_lost == 0"},
		"kafka": {"kafka://" + broker + "/payments", "--size", "1KiB", "--rate", "100/s"},
	} {
		t.Run(name, func(t *testing.T) {
			record := filepath.Join(t.TempDir(), "record")
			code, stdout, stderr := wringer(t, append([]string{"load", "-q", "--for", "1s", "--out", record}, args...)...)
			if code != reports.ExitPass && code != reports.ExitInconclusive {
				t.Errorf("exit %d:\n%s%s", code, stdout, stderr)
			}
			s := loadRecord(t, record).Run.Streams[loadStream]
			if s == nil || s.Total.Acked < 50 || s.Total.Acked != s.Total.Offered {
				t.Errorf("stream %+v", s)
			}
		})
	}
}

func TestLoadPrintsGRPCOverTLS(t *testing.T) {
	code, stdout, stderr := wringer(t, "load", "grpcs://127.0.0.1:1/a.B/C", "--protoset", "set.pb", "--grpc-cacert", "ca.pem", "--grpc-cert", "c.pem",
		"--grpc-key", "k.pem", "--import-path", "protos", "--proto", "a.proto", "--print-scenario")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, want := range []string{"tls:", "ca: /", "cert: /", "key: /", "descriptors: /", "import_paths:", "- a.proto"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in\n%s", want, stdout)
		}
	}
}

func TestLoadPrintsAScenarioThatParses(t *testing.T) {
	code, stdout, stderr := wringer(t, "load", "http://127.0.0.1:1/x?y={{seq}}", "-d", `{"a":"b"}`, "-H", "A: b: c", "--users", "3", "--expect", "p99 < 1s", "--print-scenario")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if _, err := scenarios.Parse("printed", []byte(stdout), language, scenarios.Options{}); err != nil {
		t.Errorf("%v\n%s", err, stdout)
	}
	for _, args := range [][]string{
		{"load"}, {"load", "ftp://x"}, {"load", "http://"}, {"load", "http://x", "--rate", "5"}, {"load", "http://x", "-H", "nonsense"},
		{"load", "http://x", "--rate", "5/s", "--users", "3"}, {"load", "grpc://x/y", "-d", "{"}, {"load", "http://x", "--expect", "p98 < 1s"},
		{"load", "http://x", "--connections", "3"}, {"load", "grpc://x:1/a.B/C", "--grpc-cert", "x"}, {"load", "grpc://x:1/a.B/C", "--lb-strategy", "random"},
	} {
		if code, _, stderr := wringer(t, args...); code != reports.ExitUsage || stderr == "" {
			t.Errorf("%q: exit %d, %q", args, code, stderr)
		}
	}
}
