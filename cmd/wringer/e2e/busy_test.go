package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"wringer/reports"
)

const crowdedScenario = `name: crowded
seed: 1
target: {shop: {}}
run: {warmup: 1s, duration: 5s, max_lag: 1m}
traffic:
  orders:
    rest: {request: "POST ${shop.rest}/orders", headers: {Idempotency-Key: "{{id}}"}, body: '{"orderId":"{{id}}","customerId":"c","items":[{"id":"item1","quantity":2}]}'}
    rate: 20/s
expect:
  - orders.service.max < 20us
  - orders.errors < 100%
`

// TestOtherProgramsAreNoFailure runs busy loops beside a run whose gate nobody can meet: it is inconclusive, and says why.
func TestOtherProgramsAreNoFailure(t *testing.T) {
	linux(t)
	scenario(t, usual)
	for range 2 * runtime.NumCPU() {
		loop := exec.CommandContext(t.Context(), "sha256sum", "/dev/zero")
		if err := loop.Start(); err != nil {
			t.Skipf("sha256sum: %v", err)
		}
		t.Cleanup(func() { _, _ = loop.Process.Kill(), loop.Wait() })
	}
	code, run := besideOthers(t, crowdedScenario)
	why := strings.Join(run.Why, "\n")
	if code != reports.ExitInconclusive || run.Verdict != reports.Inconclusive || !strings.Contains(why, "violated only by seconds in which other programs took ") {
		t.Errorf("exit %d, verdict %s: %s", code, run.Verdict, why)
	}
	if m := run.Validity.Machine; m == nil || m.BusySeconds == 0 || m.Others <= 0 || len(run.Machine) == 0 {
		t.Errorf("machine %+v", m)
	}
}

const burningScenario = `name: burning
seed: 1
%s
run: {warmup: 1s, duration: 5s, max_lag: 1m}
traffic:
  a:
    rest: {request: "GET http://%s/"}
    rate: 5/s
    timeout: 20s
expect:
  - a.service.max < 20us
  - a.errors < 100%%
`

// burner serves, and keeps every core busy with processes of its own.
const burner = `import http.server, os, sys
for _ in range(2 * os.cpu_count()):
    if os.fork() == 0:
        while os.getppid() != 1: sum(range(100000))
        os._exit(0)
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *a): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H)
print("ready", flush=True)
s.serve_forever()
`

// urgent are arguments of sh that let a program and its children go before others on a shared machine, where this user may: by
// their niceness, and by that of their session.
var urgent = []string{"-c", "{ echo -15 > /proc/self/autogroup; renice -n -15 -p $$; } > /dev/null 2>&1; exec \"$@\"", "sh"}

// TestTheTargetsOwnLoadFails holds a target that burns the CPU itself to its gates: started by the scenario, and by hand. Only
// where programs of somebody else took a part that counts may it be inconclusive: as root, no other program gets so much.
func TestTheTargetsOwnLoadFails(t *testing.T) {
	linux(t)
	scenario(t, 2*usual)
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	file := filepath.Join(t.TempDir(), "burn.py")
	if err := os.WriteFile(file, []byte(burner), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Run("started by the scenario", func(t *testing.T) {
		target := fmt.Sprintf("target: {processes: {web: {command: [%s, %s, '${processes.web.http.port}'], ports: [http]}}}", python, file)
		held(t, fmt.Sprintf(burningScenario, target, "${processes.web.http}"))
	})
	t.Run("started by hand", func(t *testing.T) {
		address := unused(t)
		_, port, _ := strings.Cut(address, ":")
		server := exec.Command("sh", append(urgent, python, file, port)...)
		server.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		ready, err := server.StdoutPipe()
		if err == nil {
			err = server.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = syscall.Kill(-server.Process.Pid, syscall.SIGKILL), server.Wait() })
		if _, err := ready.Read(make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
		held(t, fmt.Sprintf(burningScenario, "", address))
	})
}

// held runs a scenario whose target burns the CPU itself.
func held(t *testing.T, text string) {
	t.Helper()
	code, run := besideOthers(t, text, urgent...)
	m := run.Validity.Machine
	if m == nil || m.Target <= 0 || len(m.Unowned) > 0 {
		t.Fatalf("the target's programs are not told: %+v", m)
	}
	// This machine may do other work: then the record must show it, of programs that are not the target's.
	somebody := m.OthersMax >= 0.25*float64(m.Cores) || m.Steal > 0 || m.ThrottledNS != nil && *m.ThrottledNS > 0
	switch {
	case code == reports.ExitFail && run.Verdict == reports.Fail:
	case code == reports.ExitInconclusive && somebody:
		t.Logf("not decided here: %q", run.Why)
	default:
		t.Errorf("exit %d, verdict %s: %q, machine %+v", code, run.Verdict, run.Why, *m)
	}
}

// besideOthers runs a scenario with the command that users have, in a session of its own, by sh if there are arguments for it.
func besideOthers(t *testing.T, text string, sh ...string) (code int, run *reports.Run) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "scenario.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(dir, "record")
	command := append(sh, string(built(t, beside)), "run", "-q", "--out", record, file)
	if len(sh) > 0 {
		command = append([]string{"sh"}, command...)
	}
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	code = cmd.ProcessState.ExitCode()
	if code != reports.ExitFail && code != reports.ExitInconclusive {
		t.Fatalf("exit %d\n%s\n%s", code, stdout.String(), stderr.String())
	}
	return code, loadRecord(t, record).Run
}

// linux leaves a test out where the machine cannot be read.
func linux(t *testing.T) {
	t.Helper()
	slow(t)
	if runtime.GOOS != "linux" {
		t.Skip("reads /proc of Linux")
	}
}

// unused is an address on which nothing listens.
func unused(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
