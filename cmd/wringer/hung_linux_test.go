package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/reports"
)

// A target that takes connections and never answers a TLS handshake, and one that never takes them, are told as that in every
// protocol. Nothing was sent, and the run is inconclusive.
func TestConnectionsThatHang(t *testing.T) {
	t.Parallel()
	deaf := drivertest.ServeRaw(t, (*drivertest.RawConn).Hang).Address()
	full := fullListener(t)
	const grpc = "grpc: {target: %q, method: a.S/Do, protos: [a.proto]%s}"
	for name, test := range map[string]struct {
		stream, address, options string
		detail                   string
	}{
		"HTTP/1.1, TLS":  {"rest: {request: 'GET https://%s'%s}", deaf, ", tls: {insecure: true}", "the TLS handshake did not end in time"},
		"HTTP/2, TLS":    {"rest: {request: 'GET https://%s', http2: true%s}", deaf, ", tls: {insecure: true}", "the TLS handshake did not end in time"},
		"gRPC, TLS":      {grpc, deaf, ", tls: {insecure: true}", "TLS handshake"},
		"Kafka, TLS":     {"kafka: {brokers: %q, topic: t%s}", deaf, ", tls: {insecure: true}", "tls handshake"},
		"HTTP/1.1, dial": {"rest: {request: 'GET http://%s'%s}", full, "", "the dial did not end in time"},
		"HTTP/2, dial":   {"rest: {request: 'GET http://%s', http2: true%s}", full, "", "the dial did not end in time"},
		"gRPC, dial":     {grpc, full, "", "the dial"},
		"Kafka, dial":    {"kafka: {brokers: %q, topic: t%s}", full, "", "dial tcp"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			scenario := "name: hung\nrun: {duration: 1s, drain: 1s}\ntraffic:\n  s: {" + fmt.Sprintf(test.stream, test.address, test.options) +
				", rate: 5/s, timeout: 300ms}\nexpect: [s.errors < 1%]\n"
			for name, text := range map[string]string{
				"hung.yaml": scenario,
				"a.proto":   `syntax = "proto3"; package a; message M { string id = 1; } service S { rpc Do(M) returns (M); }`,
			} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			record := filepath.Join(dir, "record")
			code, stdout, stderr := wringer(t, "run", "-q", "--out", record, filepath.Join(dir, "hung.yaml"))
			if code != reports.ExitInconclusive {
				t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
			}
			if strings.HasPrefix(name, "Kafka") { // its topic is looked up before anything is sent
				if said := strings.Join(strings.Fields(stdout), " "); !strings.Contains(said, "the target was never healthy: stream s") || !strings.Contains(said, test.detail) {
					t.Errorf("it says\n%s", stdout)
				}
				return
			}
			total := loadRecord(t, record).Run.Streams["s"].Total
			if total.Rejected == 0 || total.Rejected != total.Offered-total.Dropped || !strings.Contains(total.Details[drivers.CodeTimeout], test.detail) || len(total.Details) != 1 {
				t.Errorf("%+v, %q:\n%s", total.Counts, total.Details, stdout)
			}
		})
	}
}

// fullListener returns an address at which a dial hangs: the queue of what the listener should accept is full.
func fullListener(t *testing.T) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	on, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", on.(*unix.SockaddrInet4).Port)
	c, err := net.Dial("tcp", address) // fills it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return address
}
