package main

import (
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/capacity"
	"wringer/scenarios/runner"
)

// player is a player of a scenario in a folder, and its axis. The target is not there.
func player(t *testing.T, folder, stream string) (*capacityPlayer, *capacity.Axis) {
	t.Helper()
	src := "name: x\nrun: {duration: 5s}\ntraffic:\n  a: " + stream + "\nexpect: [a.errors < 1%]\n"
	sc, err := scenarios.Parse(filepath.Join(folder, "x.yaml"), []byte(src), language, scenarios.Options{})
	if err != nil {
		t.Fatal(err)
	}
	axis, err := capacity.NewAxis(sc, nil, sc.Traffic[0].Users > 0)
	if err != nil {
		t.Fatal(err)
	}
	return &capacityPlayer{scenario: sc, dir: t.TempDir(), options: runner.Options{Dir: t.TempDir(), Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, nullFor: 100 * time.Millisecond}, axis
}

// securedHealth is a gRPC service below TLS that tells its descriptors. Its authority stands in the file ca.pem of a folder.
func securedHealth(t *testing.T, folder string) (address string) {
	t.Helper()
	web := httptest.NewTLSServer(nil) // its certificate is for 127.0.0.1
	t.Cleanup(web.Close)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(folder, "ca.pem"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&web.TLS.Certificates[0])))
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	reflection.Register(s)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

// The load generator is measured over TLS, in a chain whose steps take values from answers, and with a broker. No target is there, but for
// the descriptors of gRPC.
func TestCeiling(t *testing.T) {
	folder := t.TempDir()
	health := securedHealth(t, folder)
	if err := os.WriteFile(filepath.Join(folder, "targets.txt"), []byte("GET https://orders.invalid/\n\nGET http://orders.invalid/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, stream := range map[string]string{
		"https":      `{rest: {request: "GET https://127.0.0.1:1/"}, users: 2}`,
		"by name":    `{rest: {request: "POST https://orders.invalid/", body: abc, http2: true}, users: 2}`,
		"unverified": `{rest: {request: "GET https://127.0.0.1:1/", tls: {insecure: true}}, users: 2}`,
		"chain": `{rest: {steps: [{name: first, request: "POST https://127.0.0.1:1/", ok: ["201"], checks: [{json: {$.state: new}}], ` +
			`capture: {order: $.id, place: "header Location /(.*)", word: "body (a+)"}}, {name: second, request: "HEAD https://127.0.0.1:1/{{order}}/{{place}}/{{word}}", capture: {tag: header ETag}}, ` +
			`{name: third, request: "GET https://127.0.0.1:1/", headers: {If-Match: "{{tag}}"}}]}, users: 2}`,
		"grpc": `{grpc: {target: "` + health + `", method: grpc.health.v1.Health/Check, tls: {ca: ca.pem}}, users: 2}`,
		"grpc chain": `{grpc: {target: "` + health + `", tls: {ca: ca.pem}, steps: [{name: first, method: grpc.health.v1.Health/Check, capture: {state: $.status}, checks: [{json: {$.status: NONE}}]}, ` +
			`{name: second, method: grpc.health.v1.Health/Check, message: {service: "{{state}}"}, metadata: {x-state: "{{state}}"}}]}, users: 2}`,
		"kafka":                  `{kafka: {brokers: "127.0.0.1:1", topic: orders, tls: {}, sasl: {user: u, password: p}}, users: 2}`,
		"amqp":                   `{amqp: {url: "amqp://127.0.0.1:1", queue: orders, declare: {queues: {orders: {}}}}, users: 2}`,
		"amqps":                  `{amqp: {url: "amqps://broker.invalid", exchange: orders, routing_key: a, tls: {}}, users: 2}`,
		"amqp replies":           `{amqp: {url: "amqp://127.0.0.1:1", queue: orders, properties: {type: order}, headers: {a: b}, reply: {id: $.id, match: {$.state: new}}}, users: 2}`,
		"a queue of replies":     `{amqp: {url: "amqps://broker.invalid", queue: orders, reply: {queue: replies}}, users: 2}`,
		"kafka replies":          `{kafka: {brokers: "127.0.0.1:1", topic: orders, reply: {topic: replies, correlation: c, id: $.id}}, users: 2}`,
		"kafka replies over TLS": `{kafka: {brokers: "127.0.0.1:1", topic: orders, tls: {}, reply: {topic: replies}}, users: 2}`,
		"targets":                `{rest: {targets: {file: targets.txt}, tls: {ca: ca.pem}}, users: 2}`,
		"two amqp's":             `{amqp: {url: "amqp://127.0.0.1:1,127.0.0.1:2", queue: orders, connections: 2, channels: 3}, users: 8}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, axis := player(t, folder, stream)
			if err := p.open(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer p.close()
			for ; ; p.nullFor *= 4 { // a busy machine needs longer
				ceiling, why, err := p.Ceiling(t.Context(), axis)
				if ceiling > 0 && why == "" && err == nil {
					return
				}
				if p.nullFor > 10*time.Second || err != nil {
					t.Fatalf("%v, %q, %v", ceiling, why, err)
				}
			}
		})
	}
}

// Where the load generator cannot be measured against a null target, the answer says why, and the search goes on. The descriptors of gRPC
// come from the real target alone.
func TestNoCeiling(t *testing.T) {
	p, axis := player(t, t.TempDir(), `{grpc: {target: "127.0.0.1:1", method: grpc.health.v1.Health/Check}, rate: 10/s}`)
	if err := p.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer p.close()
	if ceiling, why, err := p.Ceiling(t.Context(), axis); ceiling != 0 || !strings.Contains(why, "the target was never healthy") || err != nil {
		t.Errorf("%v, %q, %v", ceiling, why, err)
	}
}

// One search at a time goes on in a folder, from its beginning, and after a restart of the target as well.
func TestTwoSearchesInOneFolder(t *testing.T) {
	first, _ := player(t, t.TempDir(), `{rest: {request: "GET http://127.0.0.1:1/"}, rate: 10/s}`)
	first.dir, first.reset = first.options.Dir, "restart"
	if err := first.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := first.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := &capacityPlayer{scenario: first.scenario, options: first.options, dir: first.dir}
	var told exit
	err := explain(t.Context(), second.scenario, second.open(t.Context()))
	if !errors.As(err, &told) || told.code != reports.ExitUsage || !strings.Contains(err.Error(), "a search goes on in "+first.dir) {
		t.Errorf("a second search began: %v", err)
	}
	if err := errors.Join(second.end(), first.end()); err != nil {
		t.Error(err)
	}
	if err := errors.Join(second.open(t.Context()), second.end()); err != nil {
		t.Errorf("after the end of the first: %v", err)
	}
}
