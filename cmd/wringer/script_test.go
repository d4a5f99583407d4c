package main

import (
	"context"
	"net"
	"os"
	"os/signal"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"wringer/reports"
	"wringer/reports/recordtest"
)

// TestMain makes `wringer` a command of the scripts: the same function as main's, signals included.
func TestMain(m *testing.M) {
	alone = "yes"
	testscript.Main(leakless{m}, map[string]func(){
		"wringer": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			code := run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
			stop()
			os.Exit(code)
		},
	})
}

// leakless fails when the tests leave a goroutine behind.
type leakless struct{ m *testing.M }

func (l leakless) Run() int {
	code := l.m.Run()
	// When it encodes a fetch, sarama marks a meter in go-metrics' global registry. The registry starts one goroutine per
	// process that never ends. It is no leak of a run.
	arbiter := goleak.IgnoreTopFunction("github.com/rcrowley/go-metrics.(*meterArbiter).tick")
	if err := goleak.Find(arbiter); code == 0 && err != nil {
		os.Stderr.WriteString("goroutines left behind: " + err.Error() + "\n")
		return 1
	}
	return code
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"valid": validRecord},
		Setup: func(env *testscript.Env) error {
			env.Setenv("NO_COLOR", "1")
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			// An address on which something listens for the length of the script.
			env.Setenv("BUSY", l.Addr().String())
			free, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			// An address on which nothing listens yet.
			env.Setenv("FREE", free.Addr().String())
			free.Close()
			env.Defer(func() { l.Close() })
			return nil
		},
	})
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
