package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wringer/drivers/drivertest"
	"wringer/reports"
)

// hostile are scripts of raw connections; each breaks HTTP in its own way.
var hostile = map[string]func(c *drivertest.RawConn){
	"hangs":         (*drivertest.RawConn).Hang,
	"garbage":       func(c *drivertest.RawConn) { c.Some(); c.Say("\x00\x01garbage\r\n\r\n\xff\xfe") },
	"half a header": func(c *drivertest.RawConn) { c.Some(); c.Say("HTTP/1.1 200 OK\r\nContent-Le") },
	"closes mid-body": func(c *drivertest.RawConn) {
		c.Some()
		c.Say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
	},
	"cuts a chunk": func(c *drivertest.RawConn) {
		c.Some()
		c.Say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")
	},
	"resets":         func(c *drivertest.RawConn) { c.Some(); c.Reset() },
	"closes at once": func(*drivertest.RawConn) {},
	"sends without end": func(c *drivertest.RawConn) {
		c.Some()
		c.Say("HTTP/1.1 200 OK\r\n\r\n")
		c.Endless("body ")
	},
	"headers without end": func(c *drivertest.RawConn) {
		c.Some()
		c.Say("HTTP/1.1 200 OK\r\n")
		c.Endless("X-Header: " + strings.Repeat("a", 1000) + "\r\n")
	},
	"refuses politely": func(c *drivertest.RawConn) {
		c.Some()
		c.Say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
	},
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
			// A target that answers fast, but never well, violates gates that ask for fast answers alone.
			never(t, drivertest.ServeRaw(t, handle).Address(), name == "refuses politely")
		})
	}
	t.Run("dead", func(t *testing.T) {
		checkedScenario(t, light)
		dead := drivertest.ServeRaw(t, (*drivertest.RawConn).Hang)
		dead.Refuse()
		never(t, dead.Address(), false)
	})
}

// never runs a scenario of which no gate may pass; the last three may if the target answers.
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
