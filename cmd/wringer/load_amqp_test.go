package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What the flags of amqp:// make. The password stays out of the scenario.
func TestLoadAMQP(t *testing.T) {
	for _, test := range []struct{ args, want, not string }{
		{"amqp://me:s%2Fcret-word@h:1/v --queue q --queue-type quorum --message-size 1KiB -d x -H a:b", "url: amqp://me:${env.WRINGER_AMQP_PASSWORD}@h:1/v\n", "cret-word"},
		{"amqp://me:secret-word@h:1/v --queue q --queue-type quorum", "type: quorum", "secret-word"},
		{"amqp://guest:guest@h/ --queue q", "url: amqp://guest:guest@h/\n", "env."},
		{"amqps://h/ --exchange e --routing-key k --channels 3", "exchange: e\n      routing_key: k\n      channels: 3", "declare"},
		{"amqp://h/ --queue q --reply", "reply: {}\n", ""},
		{"amqp://h/ --exchange e --reply-to answers", "reply:\n        queue: answers\n", ""},
		{"amqp://h/ --queue q --reply-to=", "names no queue", ""},
		{"kafka://h:1/t --reply-topic answers", "reply:\n        topic: answers\n", ""},
		{"kafka://h:1/t --reply-topic=", "names no topic", ""},
		{"kafka://h:1/t --reply", "--reply goes with amqp://", ""},
		{"amqp://h/", "needs --queue or --exchange", ""},
		{"amqp://h/ --queue q --exchange e", "exclude each other", ""},
		{"amqp://h/ --queue q --routing-key k", "--routing-key goes with --exchange", ""},
		{"amqp://h/ --exchange e --queue-type quorum", "--queue-type goes with --queue", ""},
		{"amqp://h/ --queue q --channels 0", "--channels 0: must be at least 1", ""},
	} {
		_, stdout, stderr := wringer(t, append([]string{"load", "--print-scenario"}, strings.Fields(test.args)...)...)
		if said := stdout + stderr; !strings.Contains(said, test.want) || test.not != "" && strings.Contains(said, test.not) {
			t.Errorf("%s: %q is missing, or %q is there, in\n%s", test.args, test.want, test.not, said)
		}
	}
}

// A scenario that takes messages away from a queue of the system is warned of.
func TestWarningOfAForeignQueue(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s.yaml")
	const scenario = `name: s
run: {duration: 1s}
traffic:
  orders:
    amqp: {url: "amqp://127.0.0.1/", queue: orders, verify: true}
    rate: 1/s
  carts:
    rest: {request: "GET http://127.0.0.1:1/"}
    rate: 1/s
    effects: {amqp: {url: "amqp://127.0.0.1/", queue: carts}}
  own:
    amqp: {url: "amqp://127.0.0.1/", queue: own, declare: {queues: {own: {}}}}
    rate: 1/s
expect: [orders.errors < 1%, carts.errors < 1%, own.errors < 1%]
`
	if err := os.WriteFile(file, []byte(scenario), 0o644); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := wringer(t, "check", file)
	for _, want := range []string{"orders: amqp: verify: true takes the messages of the queue orders away", "carts: effects.amqp: takes the messages of the queue carts away"} {
		if !strings.Contains(stdout+stderr, want) {
			t.Errorf("exit %d, and %q is missing in\n%s%s", code, want, stdout, stderr)
		}
	}
	if strings.Contains(stdout+stderr, "queue own away") {
		t.Error("a queue of the run's own is warned of")
	}
}
