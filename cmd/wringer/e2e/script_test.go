package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/rs/zerolog"

	"wringer/faults/process"
	"wringer/reports"
	"wringer/reports/recordtest"
)

// The scripts run the command as a process of its own, which they may kill.
func TestScripts(t *testing.T) {
	several(t)
	bin := built(t, checked)
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"waitfor": waitFor, "valid": validRecord, "gone": gone, "fetch": fetch, "passes": runPasses},
		Setup: func(env *testscript.Env) error {
			give, err := take(t.Context(), checkedShare(usual))
			if err != nil {
				return err
			}
			env.Defer(give)
			env.Setenv("NO_COLOR", "1")
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			env.Setenv("PATH", filepath.Dir(string(bin))+string(filepath.ListSeparator)+env.Getenv("PATH"))
			return reservePorts(env, "API", "PROXY", "SPARE", "REST")
		},
	})
}

// reservePorts gives the script free loopback addresses.
func reservePorts(env *testscript.Env, names ...string) error {
	base, err := process.Ports(len(names))
	for i, name := range names {
		env.Setenv(name, fmt.Sprint("127.0.0.1:", base+i))
	}
	return err
}

// serveToxiproxy is a running Toxiproxy, the official server's own code: toxiserver API NAME LISTEN UPSTREAM...
func serveToxiproxy() {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	for proxy := range slices.Chunk(os.Args[2:], 3) {
		if err := server.Collection.Add(toxiproxy.NewProxy(server, proxy[0], proxy[1], proxy[2]), true); err != nil {
			panic(err)
		}
	}
	panic(server.Listen(os.Args[1]))
}

// fetch keeps what a server answers, once it does.
func fetch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: fetch URL FILE")
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var body []byte
	until(ts, "an answer of "+args[0], func() bool {
		answer, err := client.Get(args[0])
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		body, err = io.ReadAll(answer.Body)
		return err == nil && answer.StatusCode == http.StatusOK
	})
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), body, 0o600))
}

// runPasses runs a scenario that must pass. A run that decides nothing, because the machine was too busy, is repeated.
func runPasses(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: passes DIR ARG...")
	}
	dir := args[0]
	for try := 1; ; try++ {
		err := ts.Exec("wringer", append([]string{"run", "-q", "--out", dir}, args[1:]...)...)
		var ended *exec.ExitError
		if busy := errors.As(err, &ended) && ended.ExitCode() == reports.ExitInconclusive; !busy || try == 5 {
			ts.Check(err)
			return
		}
		ts.Logf("once more")
		ts.Check(os.RemoveAll(ts.MkAbs(dir)))
	}
}

// validRecord checks a record against the contract and its sums.
func validRecord(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: valid DIR")
	}
	rec, err := reports.Load(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(recordtest.Check(rec.Run))
}

// gone waits until the process whose number a file holds is over.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone FILE")
	}
	pid := strings.TrimSpace(ts.ReadFile(args[0]))
	until(ts, "the end of process "+pid, func() bool {
		raw, err := os.ReadFile("/proc/" + pid + "/stat")
		return err != nil || strings.Contains(string(raw), ") Z ")
	})
}

// waitFor waits until a file exists.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: waitfor FILE")
	}
	until(ts, args[0], func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil
	})
}

func until(ts *testscript.TestScript, what string, is func() bool) {
	deadline, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-deadline.Done():
			ts.Fatalf("waited in vain for %s", what)
		}
	}
}
