package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"wringer/drivers/drivertest/tier"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/shop"
)

func TestLoad(t *testing.T) {
	tier.Slow(t, "it sends load in real time, for every scheme")
	t.Parallel()
	target, err := shop.Open(t.Context(), shop.Config{CallTimeout: 10 * time.Second}, scenarios.TargetEnv{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close(context.WithoutCancel(t.Context())) })
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
		"watch": {"grpc://" + vars["grpc"] + "/shop.v1.Inventory/WatchStock", "-d", `{"itemId":"item1"}`, "--rate", "100/s", "--replies", "1", "--half-close", "never"},
		"kafka": {"kafka://" + broker + "/payments", "--size", "1KiB", "--rate", "100/s"},
	} {
		t.Run(name, func(t *testing.T) {
			record := filepath.Join(t.TempDir(), "record")
			args = append([]string{"load", "-q", "--seed", "7", "--for", "1s", "--out", record}, args...)
			code, stdout, stderr := wringer(t, args...)
			if code != reports.ExitPass && code != reports.ExitInconclusive {
				t.Errorf("exit %d:\n%s%s", code, stdout, stderr)
			}
			s := loadRecord(t, record).Run.Streams[loadStream]
			least := int64(50)
			if name == "post" { // users wait for their answers: a busy machine decides how many they get, and each gets one
				least = 4
			}
			if s == nil || s.Total.Acked < least || s.Total.Acked != s.Total.Offered {
				t.Errorf("stream %+v", s)
			}
			parts := []string{"rate ", "response ", "service ", "Response times", "Validity"}
			if name == "stream" {
				parts = append(parts, "messages: calls")
			}
			for _, part := range parts {
				if !strings.Contains(stdout, part) {
					t.Errorf("%q is missing in\n%s", part, stdout)
				}
			}
			// The output of --print-scenario is the scenario of the run, byte for byte.
			_, printed, _ := wringer(t, append(args, "--print-scenario")...)
			if ran, err := os.ReadFile(filepath.Join(record, "scenario.yaml")); err != nil || printed != string(ran) {
				t.Errorf("printed %s\nran %s (%v)", printed, ran, err)
			}
		})
	}
}

// An error is named, and the exit code tells a user's error from a failed run. After a user's error nothing is sent and no
// record is left.
func TestLoadProblems(t *testing.T) {
	t.Parallel()
	target, err := shop.Open(t.Context(), shop.Config{}, scenarios.TargetEnv{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close(context.WithoutCancel(t.Context())) })
	vars := target.Vars()
	broker, _, _ := strings.Cut(vars["kafka"], ",")
	reserve := "grpc://" + vars["grpc"] + "/shop.v1.Inventory/Reserve"
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "something"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const nobody = "127.0.0.1:1"
	for _, test := range []struct {
		args string
		code int
		want string // of what is said
	}{
		{vars["rest"] + "/nowhere", reports.ExitFail, "http_404"},
		{"http://" + nobody + "/", reports.ExitInconclusive, "refused: dial tcp " + nobody},
		{"http://" + vars["grpc"] + "/", reports.ExitInconclusive, "failed attempts"},
		{"https://" + strings.TrimPrefix(vars["rest"], "http://"), reports.ExitInconclusive, "tls"},
		{"grpc://" + nobody + "/a.B/C", reports.ExitInconclusive, nobody},
		{"kafka://" + nobody + "/a", reports.ExitInconclusive, nobody},
		{reserve + "Nothing", reports.ExitUsage, "it has Reserve"},
		{"grpc://" + vars["grpc"] + "/shop.v1.Nothing/Reserve", reports.ExitUsage, "it has grpc.health.v1.Health"},
		{reserve + ` -d {"nothing":1}`, reports.ExitUsage, "it has itemId"},
		{"kafka://" + broker + "/nowhere", reports.ExitUsage, "--partitions"},
		{"http://8.8.8.8/", reports.ExitUsage, "--allow 8.8.8.8"},
		{vars["rest"] + "/healthz --json nowhere/run.json", reports.ExitUsage, "no folder nowhere"},
		{vars["rest"] + "/healthz --vegeta nowhere/results.bin", reports.ExitUsage, "no folder nowhere"},
		{vars["rest"] + "/healthz --out " + full, reports.ExitUsage, "not empty"},
		{"127.0.0.1:8080/", reports.ExitUsage, "write http://127.0.0.1:8080/"},
		{"localhost:8080", reports.ExitUsage, "write http://localhost:8080"},
		{"http://x -X G\tT", reports.ExitUsage, "no HTTP method"},
		{"http://x --users 0", reports.ExitUsage, "at least 1"},
		{"http://x --users -1", reports.ExitUsage, "at least 1"},
		{"http://x --max-in-flight 0", reports.ExitUsage, "at least 1"},
		{"http://x --size 1KiB", reports.ExitUsage, "--size goes with kafka://"},
		{"grpc://x:1/a.B/C --acks all", reports.ExitUsage, "--acks goes with kafka://"},
		{"grpc://x:1/a.B/C --message-interval 0s", reports.ExitUsage, "more than 0"},
		{"kafka://x/a -X POST", reports.ExitUsage, "--request goes with http://"},
		{"grpc://x:1/a.B/C -d {}x", reports.ExitUsage, "no JSON message"},
		{`grpc://x:1/a.B/C -d {"a":18446744073709551616}`, reports.ExitUsage, "18446744073709551616 does not fit in 64 bits: quote it"},
	} {
		t.Run(test.args, func(t *testing.T) {
			t.Parallel()
			record := filepath.Join(t.TempDir(), "record")
			args := append([]string{"load", "-q", "--for", "300ms", "--out", record}, strings.Split(test.args, " ")...)
			code, stdout, stderr := wringer(t, args...)
			// Lines break where a terminal would break them.
			if said := strings.Join(strings.Fields(stdout+stderr), " "); code != test.code || !strings.Contains(said, test.want) {
				t.Errorf("exit %d, want %d and %q:\n%s%s", code, test.code, test.want, stdout, stderr)
			}
			if _, err := os.Stat(record); code == reports.ExitUsage && err == nil {
				t.Error("a record was left behind")
			}
		})
	}
}

// Numbers of a message keep all their digits.
func TestLoadKeepsLargeNumbers(t *testing.T) {
	_, stdout, _ := wringer(t, "load", "grpc://x:1/a.B/C", "-d", `{"a":9007199254740993,"b":[18446744073709551615],"c":0.5}`, "--print-scenario")
	for _, want := range []string{"a: 9007199254740993\n", "- 18446744073709551615\n", "c: 0.5\n"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in\n%s", want, stdout)
		}
	}
}

// A file that cannot be written leaves stdout complete.
func TestSummaryOutlivesAFileThatCannotBeWritten(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		os.RemoveAll(folder)
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	code, stdout, stderr := wringer(t, "load", "-q", "--for", "300ms", "--out", filepath.Join(t.TempDir(), "record"), server.URL, "--json", filepath.Join(folder, "x"))
	if code != reports.ExitHarness || !strings.Contains(stdout, "FAIL  load") || !strings.Contains(stderr, "write json") {
		t.Errorf("exit %d:\n%s%s", code, stdout, stderr)
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

// At a rate that one goroutine can send, the record's counts are the target's own.
func TestLoadCountsAtSpeed(t *testing.T) {
	var came, refused atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := came.Add(1)
		if n%50 == 0 {
			w.Write(make([]byte, 200<<10)) // longer than one read
			return
		}
		if n%7 == 0 {
			refused.Add(1)
			w.WriteHeader(http.StatusConflict)
		}
	}))
	defer server.Close()
	record := filepath.Join(t.TempDir(), "record")
	code, stdout, stderr := wringer(t, "load", server.URL, "-q", "--rate", "2000/s", "--for", "2s", "--out", record)
	if code != reports.ExitFail && code != reports.ExitInconclusive {
		t.Errorf("exit %d:\n%s%s", code, stdout, stderr)
	}
	total := loadRecord(t, record).Run.Streams[loadStream].Total
	if total.Attempts != came.Load() || total.Acked != came.Load()-refused.Load() || total.Rejected != refused.Load() {
		t.Errorf("%d attempts, %d acked, %d rejected; %d came, %d of them were refused", total.Attempts, total.Acked, total.Rejected, came.Load(), refused.Load())
	}
	if total.Offered < 3900 || came.Load() < 50 { // no long answer
		t.Errorf("offered %d, %d came", total.Offered, came.Load())
	}
}

// What a scenario's text cannot hold, because it is long or no text, is sent from its file.
func TestLoadSendsAnyFile(t *testing.T) {
	var got atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got.Store(string(body))
	}))
	defer server.Close()
	for name, data := range map[string]string{"long": strings.Repeat("a", maxInline+1), "bytes": "\xff\x00\x01", "text": "hello"} {
		file := filepath.Join(t.TempDir(), "data")
		write(t, file, data)
		args := []string{"-d", "@" + file, "--rate", "5/s", "--for", "300ms", "-q", "--out", filepath.Join(t.TempDir(), "record")}
		if code, _, stderr := wringer(t, append([]string{"load", server.URL}, args...)...); code != reports.ExitPass || got.Load() != data {
			t.Errorf("%s: exit %d, %.20q arrived, %s", name, code, got.Load(), stderr)
		}
		if name == "text" {
			continue
		}
		for target, key := range map[string]string{"kafka://127.0.0.1:1/t": "value_file", "grpc://127.0.0.1:1/a.B/C": "message_file", "amqp://127.0.0.1/ --queue q": "body_file"} {
			args := append([]string{"load"}, append(strings.Fields(target), "-d", "@"+file, "--print-scenario")...)
			if code, stdout, stderr := wringer(t, args...); code != reports.ExitPass || !strings.Contains(stdout, key+": "+file) {
				t.Errorf("%s %s: exit %d, %s%s", target, name, code, stdout, stderr)
			}
		}
	}
}
