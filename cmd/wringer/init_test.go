package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/drivers/drivertest/tier"
	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/shop"
)

// A server that tells its methods gives a stream for each, and a service that serves its document one for each operation. Both are in
// order as they are, and what they send is understood.
func TestInitFromServers(t *testing.T) {
	tier.Slow(t, "it runs a scenario in real time")
	target, err := shop.Open(t.Context(), shop.Config{}, scenarios.TargetEnv{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close(context.WithoutCancel(t.Context()))
	t.Chdir(t.TempDir())
	code, stdout, stderr := wringer(t, "init", "--from", "grpc://"+target.Vars()["grpc"], "-o", "stock.yaml")
	if code != 0 || !strings.Contains(stdout, "streams from the methods") {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	code, stdout, stderr = wringer(t, "run", "stock.yaml", "-q", "--set", "duration=1s", "--out", "record")
	if code == reports.ExitUsage || code == reports.ExitHarness {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	if s := loadRecord(t, "record").Run.Streams["reserve"]; s == nil || s.Total.Acked+s.Total.Rejected == 0 {
		t.Errorf("Reserve was not understood: %+v", s)
	}

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("openapi: 3.0.0\ninfo: {title: a, version: b}\nservers: [{url: /v1}]\npaths: {/health: {get: {responses: {'200': {description: fine}}}}}"))
	}))
	defer server.Close()
	if code, _, stderr := wringer(t, "init", "--from", server.URL+"/openapi.yaml", "-o", "web.yaml"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	text, err := os.ReadFile("web.yaml")
	if err != nil || !strings.Contains(string(text), "url: "+server.URL+"/v1\n") || !strings.Contains(string(text), "GET ${url}/health") {
		t.Errorf("%v\n%s", err, text)
	}
	if _, err := os.Stat(filepath.Join(".", "scenario.yaml")); err == nil {
		t.Error("a file was written that nobody asked for")
	}
}

// A password of the address is in no line of the file, and the answer says where it must stand. A curl line's credentials are told of, and
// its Idempotency-Key is no constant.
func TestInitWithCredentials(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		args         []string
		file, answer string
		never        string
	}{
		{[]string{"--from", "amqp://ann:s3cret@127.0.0.1/orders"}, "amqp://ann:${env.WRINGER_AMQP_PASSWORD}@", "first: export WRINGER_AMQP_PASSWORD=", "s3cret"},
		{[]string{"--from", "amqp://127.0.0.1/prod"}, "amqp://HOST/VHOST/QUEUE", "1 stream from", "vhost: prod"},
		{[]string{"--curl", "curl -H 'Authorization: Bearer t' http://127.0.0.1/"}, "Authorization: Bearer t", "holds the value of Authorization", "replay"},
		{[]string{"--curl", "curl -u ann:s3cret http://127.0.0.1/"}, "user: ann", "holds the password of auth", "replay"},
		{[]string{"--curl", "curl -X POST -H 'Idempotency-Key: abc' -d {} http://127.0.0.1/"}, "Idempotency-Key: \"{{id}}\"", "1 stream from", "abc"},
	} {
		code, stdout, stderr := wringer(t, append([]string{"init", "--force"}, c.args...)...)
		text, err := os.ReadFile("scenario.yaml")
		if code != 0 || err != nil || !strings.Contains(string(text), c.file) || !strings.Contains(stdout, c.answer) || strings.Contains(string(text)+stdout, c.never) {
			t.Errorf("%q: exit %d, %v\n%s%s%s", c.args, code, err, stdout, stderr, text)
		}
	}
}

func TestShellWords(t *testing.T) {
	for line, want := range map[string]string{
		`curl 'a b' "c\"d" e\ f`:             `curl|a b|c"d|e f`,
		"curl \\\n  -H 'X: y' \\\n http://h": "curl|-H|X: y|http://h",
		`--data-raw $'{"a":1}'`:              `--data-raw|{"a":1}`,
		`-d "" x`:                            `-d||x`,
	} {
		if got, err := shellWords(line); err != nil || strings.Join(got, "|") != want {
			t.Errorf("%s: %q, %v", line, got, err)
		}
	}
	if _, err := shellWords("a 'b"); err == nil {
		t.Error("an open quote is taken")
	}
}
