package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/reports"
)

// A fault that cannot act on a stream's own link is told by check, with its place.
func TestLinkFaultsThatCannotAct(t *testing.T) {
	const scenario = `name: refused
target: {shop: {}}
run: {duration: 5s}
traffic:
  payments:
    kafka: {brokers: "${shop.kafka}", topic: payments%s}
    rate: 10/s
  jobs:
    amqp: {url: "amqps://127.0.0.1/", queue: jobs}
    rate: 10/s
links:
  jobs->queue: {upstream: "127.0.0.1:5672"}
faults:
  - {name: broken, at: 1s, for: 1s, link: %s}
expect:
  - payments.errors < 1%%
  - jobs.errors < 1%%
`
	for _, test := range []struct{ stream, fault, want string }{
		{"", "duplicate: 1%", ""},
		{", idempotent: true", "duplicate: 1%", "14:43: broken: brokers recognise a request of payments that is sent again, because its producer is idempotent (idempotent: true)"},
		{", transactions: {records: 10}", "duplicate: 1%", "because its producer is transactional (transactions)"},
		{", idempotent: true", "corrupt: 1%", ""},
		{", tls: {}", "corrupt: 1%", "14:43: broken: corrupt must read what passes, and TLS hides it"},
		{", tls: {}", "api: produce, drop: answers", ""},
		{"", "duplicate: 1%, tombstone: 1%", "does one thing: give one of drop, error, delay, duplicate"},
		{"", "hold: true, topic: payments", "holds one partition: give topic and partition"},
		{"", "amqp jobs->queue block: true", ""},
		{"", "amqp jobs block: true", "14:43: broken: an amqp fault must read what passes, and TLS hides it"},
		{"", "amqp jobs->queue close_channel: 320", "320 closes no channel"},
		{"", "rewinds: 5", "unknown key \"rewinds\"; did you mean \"rewind\"?"},
	} {
		fault := "payments, kafka: {" + test.fault + "}"
		if rest, ok := strings.CutPrefix(test.fault, "amqp "); ok {
			link, act, _ := strings.Cut(rest, " ")
			fault = link + ", amqp: {" + act + "}"
		}
		path := filepath.Join(t.TempDir(), "scenario.yaml")
		if err := os.WriteFile(path, fmt.Appendf(nil, scenario, test.stream, fault), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, stderr := wringer(t, "check", path)
		if test.want == "" && code != reports.ExitPass || test.want != "" && (code != reports.ExitUsage || !strings.Contains(stderr, test.want)) {
			t.Errorf("{%s} on {%s}: exit %d, %s, want %q", test.fault, test.stream, code, stderr, test.want)
		}
	}
}
