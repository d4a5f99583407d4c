package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"wringer/reports"
)

// hostile serves raw connections; each handler breaks HTTP in its own way.
var hostile = map[string]func(c net.Conn){
	"hangs":         func(c net.Conn) { io.Copy(io.Discard, c) },
	"garbage":       func(c net.Conn) { readSome(c); c.Write([]byte("\x00\x01garbage\r\n\r\n\xff\xfe")) },
	"half a header": func(c net.Conn) { readSome(c); c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Le")) },
	"closes mid-body": func(c net.Conn) {
		readSome(c)
		c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"))
	},
	"cuts a chunk": func(c net.Conn) {
		readSome(c)
		c.Write([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"))
	},
	"resets": func(c net.Conn) {
		readSome(c)
		c.(*net.TCPConn).SetLinger(0)
	},
	"closes at once": func(net.Conn) {},
	"sends without end": func(c net.Conn) {
		readSome(c)
		c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
		flood(c, "body ")
	},
	"headers without end": func(c net.Conn) {
		readSome(c)
		c.Write([]byte("HTTP/1.1 200 OK\r\n"))
		flood(c, "X-Header: "+strings.Repeat("a", 1000)+"\r\n")
	},
	"refuses politely": func(c net.Conn) {
		readSome(c)
		c.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
	},
}

func readSome(c net.Conn) { c.Read(make([]byte, 4096)) }

// flood writes until the peer goes away.
func flood(c net.Conn, text string) {
	block := []byte(strings.Repeat(text, 1000))
	for {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
}

// serveHostile answers every connection with handle until the test ends.
func serveHostile(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var open sync.Map
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Store(c, true)
			all.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		open.Range(func(c, _ any) bool { c.(net.Conn).Close(); return true })
		all.Wait()
	})
	return l.Addr().String()
}

const hostileScenario = `name: hostile
seed: 1
run: {duration: 2s, drain: 100ms}
traffic:
  a:
    rest: {request: "POST http://%s/x", body: "{{id}}"}
    rate: 20/s
    timeout: 200ms
expect:
  - a.errors < 50%%
  - a.within(1s) > 10%%
  - a.rate > 1/s
  - a.acked.p99 < 10s
  - a.p50 < 10s
  - a.max < 10s
  - a.mean < 10s
`

func TestHostileTargetsNeverPass(t *testing.T) {
	several(t)
	for name, handle := range hostile {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			checkedScenario(t, light)
			// A target that answers fast, only never well, meets what asks for fast answers alone.
			never(t, serveHostile(t, handle), name == "refuses politely")
		})
	}
	t.Run("dead", func(t *testing.T) {
		checkedScenario(t, light)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		never(t, l.Addr().String(), false)
	})
}

// never runs a scenario of which no gate may pass; the last three may where the target answers.
func never(t *testing.T, address string, answers bool) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "hostile.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, hostileScenario, address), 0o644); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(dir, "record")
	code, stdout, stderr := wringer(t, "run", "--quiet", "--out", record, file)
	if code != reports.ExitFail && code != reports.ExitInconclusive {
		t.Errorf("exit %d, want fail or inconclusive:\n%s%s", code, stdout, stderr)
	}
	rec := loadRecord(t, record)
	if n := rec.Run.Streams["a"].Total.Acked; n != 0 {
		t.Errorf("%d acked", n)
	}
	for i, g := range rec.Run.Gates {
		if g.Verdict == reports.Pass && !(answers && i >= 4) {
			t.Errorf("%s passed: %s", g.Expr, g.Why)
		}
	}
}
