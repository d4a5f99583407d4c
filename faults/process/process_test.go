package process_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers/drivertest/tier"
	"wringer/faults"
	"wringer/faults/faulttest"
	"wringer/faults/part"
	"wringer/faults/process"
	"wringer/faults/visit"
)

// This test binary also serves as the process under test: it echoes on an address.
const serveEnv = "WRINGER_TEST_SERVE"

func TestMain(m *testing.M) {
	if address := os.Getenv(serveEnv); address != "" {
		serve(address)
		return
	}
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(m)
}

func serve(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Println("cannot listen:", err)
		os.Exit(7)
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		fmt.Println("bye")
		os.Exit(0)
	}()
	fmt.Println("serving")
	for {
		c, err := l.Accept()
		if err != nil {
			continue // no file left: try again, as net/http does
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}

// server is a process that echoes, and a client that counts its failed dials.
type server struct {
	*process.Process
	address string
	failed  atomic.Int64
}

func newServer(t *testing.T, change func(*process.Spec)) *server {
	t.Helper()
	base, err := process.Ports(1)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{address: net.JoinHostPort("127.0.0.1", strconv.Itoa(base))}
	spec := process.Spec{
		// Under the race detector a program sleeps a second before it exits by default.
		Name: "echo", Command: []string{os.Args[0]}, Env: []string{serveEnv + "=" + s.address, "GORACE=atexit_sleep_ms=0"}, Run: "test" + strconv.Itoa(base),
		Ready: s.echo, Refused: func(port string) int64 {
			if port != strconv.Itoa(base) {
				return 0
			}
			return s.failed.Load()
		},
	}
	if change != nil {
		change(&spec)
	}
	s.Process = process.New(spec)
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func started(t *testing.T, change func(*process.Spec)) *server {
	t.Helper()
	s := newServer(t, change)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// echo sends one request on its own connection, which ends with ctx.
func (s *server) echo(ctx context.Context) error {
	c, err := visit.Dial(ctx, "tcp", s.address)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	_, err = io.ReadFull(c, make([]byte, 1))
	return err
}

func (s *server) meet(ctx context.Context) error {
	err := s.echo(ctx)
	if errors.Is(err, syscall.ECONNREFUSED) {
		s.failed.Add(1)
	}
	return err
}

func TestConformance(t *testing.T) {
	for _, config := range []part.Config{{Pause: "echo"}, {Kill: "echo"}, {Restart: "echo"}, {CPU: "echo", Share: 0.2}, {Files: "echo"}} {
		t.Run(config.Kind(), func(t *testing.T) {
			t.Parallel()
			faulttest.Run(t, func(t *testing.T) faulttest.Rig {
				s := started(t, nil)
				f, err := config.Open(faults.Env{Part: func(string) (faults.Part, error) { return s, nil }})
				if err != nil {
					t.Fatal(err)
				}
				meet := s.meet
				if config.CPU != "" {
					// The process still serves, only later.
					meet = func(ctx context.Context) error { return s.echo(ctx) }
				}
				return faulttest.Rig{Config: &config, Fault: f, Meet: meet}
			})
		})
	}
}

func TestNotReady(t *testing.T) {
	for name, c := range map[string]struct {
		command []string
		want    string
	}{
		"ends":    {[]string{"sh", "-c", "echo no database >&2; exit 3"}, "ended before it was ready: exit status 3; its last words: no database"},
		"absent":  {[]string{"/nonexistent/program"}, "start process echo: "},
		"not yet": {[]string{"sleep", "60"}, "is not ready: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(spec *process.Spec) { spec.Command, spec.Within = c.command, 300*time.Millisecond })
			if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("start: %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestRestartEndsInGoodOrder(t *testing.T) {
	out := &faulttestWriter{}
	s := started(t, func(spec *process.Spec) { spec.Output = out })
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := out.text(); got != "serving\nbye\n" {
		t.Errorf("output %q", got)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// faulttestWriter keeps its output, for one writer at a time.
type faulttestWriter struct{ got atomic.Pointer[string] }

func (w *faulttestWriter) Write(p []byte) (int, error) {
	all := w.text() + string(p)
	w.got.Store(&all)
	return len(p), nil
}

func (w *faulttestWriter) text() string {
	if p := w.got.Load(); p != nil {
		return *p
	}
	return ""
}

// A process that ends by itself must not be credited to a fault.
func TestEndedByItself(t *testing.T) {
	s := newServer(t, func(spec *process.Spec) { spec.Command, spec.Ready = []string{"sh", "-c", "exit 5"}, nil })
	_ = s.Start(t.Context())
	eventually(t, "the process to end", func() bool { return s.Ended() != "" })
	if got := s.Ended(); !strings.Contains(got, "exit status 5") {
		t.Errorf("ended: %q", got)
	}
	for verb, do := range map[string]func(context.Context) error{"kill": s.Kill, "pause": s.Pause, "stop": s.Stop, "resume": s.Resume} {
		if err := do(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 5") {
			t.Errorf("%s: %v", verb, err)
		}
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	patience := time.NewTimer(20 * time.Second)
	defer patience.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-patience.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// The whole group dies, the program's children included.
func TestGroupDies(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	s := newServer(t, func(spec *process.Spec) {
		spec.Command, spec.Ready = []string{"sh", "-c", "sleep 600 & echo $! > " + file + "; setsid sleep 600 & echo $! > " + file + "2; wait"}, nil
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	child, stray := pidIn(t, file), pidIn(t, file+"2")
	eventually(t, "the other one to leave the group", func() bool {
		own, err := syscall.Getpgid(stray)
		return err == nil && own == stray
	})
	if err := s.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what it started to die", func() bool { return !running(child) && !running(stray) })
}

func pidIn(t *testing.T, file string) (pid int) {
	t.Helper()
	eventually(t, file, func() bool {
		raw, _ := os.ReadFile(file)
		pid, _ = strconv.Atoi(strings.TrimSpace(string(raw)))
		return pid > 0
	})
	return pid
}

// running says whether a process exists and is no zombie.
func running(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(raw), ") Z ")
}

// Undo kills the processes that a run left behind, and no others.
func TestUndo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pid")
	// The group's leader is gone. The remaining child is recognised by the mark in its environment.
	cmd := exec.Command("sh", "-c", "sleep 600 & echo $! > "+file+"; setsid sleep 600 & echo $! > "+file+"2")
	cmd.Env = append(os.Environ(), "WRINGER_RUN=mine")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	orphan, stray := pidIn(t, file), pidIn(t, file+"2")
	undo := func(run string) {
		t.Helper()
		data, _ := json.Marshal(map[string]any{"pid": cmd.Process.Pid, "start": 1, "run": run})
		if err := process.Undo(t.Context(), data); err != nil {
			t.Fatal(err)
		}
	}
	undo("other")
	if !running(orphan) || !running(stray) {
		t.Fatal("what another run made was killed")
	}
	if err := syscall.Kill(orphan, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	undo("mine")
	eventually(t, "the frozen orphan, and the one in a group of its own, to die", func() bool { return !running(orphan) && !running(stray) })
	undo("mine")
	for _, bad := range []string{`{}`, `{"pid":1,"run":"x"}`, `no`} {
		if process.Undo(t.Context(), json.RawMessage(bad)) == nil {
			t.Errorf("%s was carried out", bad)
		}
	}
}

func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), faults.JournalFile)
	journal := faults.NewJournal(path, nil)
	s := started(t, func(spec *process.Spec) { spec.Journal = journal })
	raw, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(raw), s.Vars()["pid"]) {
		t.Errorf("journal %s (%v)", raw, err)
	}
	if _, err := faults.Replay(path, false, func(faults.Undo) error { return nil }); !errors.Is(err, faults.ErrAlive) {
		t.Errorf("replay beside a living run: %v", err)
	}
	if err := s.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The entry is done once the process has ended: the run may close the journal right after.
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the journal is left although nothing is: %v", err)
	}
}
