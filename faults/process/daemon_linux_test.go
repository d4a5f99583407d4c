package process_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wringer/faults"
	"wringer/faults/process"
)

// onBothWays runs a test with cgroups, where the machine has them, and without.
func onBothWays(t *testing.T, test func(t *testing.T)) {
	t.Run("cgroup", func(t *testing.T) {
		if !process.HasGroups() {
			t.Skip("this machine lets processes have no cgroup of their own")
		}
		test(t)
	})
	t.Run("subreaper", func(t *testing.T) {
		before := process.UseGroups(false)
		t.Cleanup(func() { process.UseGroups(before) })
		test(t)
	})
}

// daemon makes the server a daemon: what is started ends well at once and leaves it in a session of its own. It has no mark in its
// environment, as one that sets its title.
func daemon(file string) func(spec *process.Spec) {
	return func(spec *process.Spec) {
		spec.Command = []string{"sh", "-c", fmt.Sprintf("setsid env -i %s sh -c 'echo $$ > %s; exec \"$0\"' %s & exit 0", strings.Join(spec.Env, " "), file, os.Args[0])}
	}
}

// A program that becomes a daemon is owned like any other: it is frozen, killed, seen to end, and ended.
func TestDaemon(t *testing.T) {
	onBothWays(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "pid")
		s := started(t, daemon(file))
		pid := pidIn(t, file)
		eventually(t, "the daemon to be known", func() bool { return s.Vars()["pid"] == strconv.Itoa(pid) })
		if err := s.Ready(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := s.echo(ctx); err == nil {
			t.Error("a frozen daemon answered")
		}
		if err := s.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.echo(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
		if running(pid) {
			t.Error("the daemon outlived the kill")
		}
		os.Remove(file)
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		pid = pidIn(t, file)
		eventually(t, "the daemon to be known", func() bool { return s.Vars()["pid"] == strconv.Itoa(pid) })
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the daemon's own end to be told", func() bool { return strings.Contains(s.Ended(), "daemon ended") })
	})
}

// A run that ends takes its daemons along, and what a killed one leaves is found by the journal.
func TestDaemonIsEnded(t *testing.T) {
	onBothWays(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "pid")
		path := filepath.Join(t.TempDir(), faults.JournalFile)
		s := started(t, func(spec *process.Spec) {
			daemon(file)(spec)
			spec.Journal = faults.NewJournal(path, nil)
		})
		pid := pidIn(t, file)
		eventually(t, "the daemon to be known", func() bool { return s.Vars()["pid"] == strconv.Itoa(pid) })
		left, err := faults.Left(path)
		if err != nil || len(left) == 0 {
			t.Fatalf("journal %v, %v", left, err)
		}
		for _, u := range left {
			if err := process.Undo(t.Context(), u.Data); err != nil {
				t.Error(err)
			}
		}
		eventually(t, "the daemon to be undone", func() bool { return !running(pid) })
		os.Remove(file)
		again := started(t, daemon(file))
		pid = pidIn(t, file)
		if err := again.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if running(pid) {
			t.Error("the daemon outlived the run")
		}
	})
}

// Workers that left the group are frozen with it.
func TestPauseReachesWhatLeftTheGroup(t *testing.T) {
	onBothWays(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "pid")
		s := newServer(t, func(spec *process.Spec) {
			spec.Command, spec.Ready = []string{"sh", "-c", "setsid sh -c 'echo $$ > " + file + "; while :; do sleep 0.01; done' & wait"}, nil
		})
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		worker := pidIn(t, file)
		eventually(t, "the worker to leave the group", func() bool {
			own, err := syscall.Getpgid(worker)
			return err == nil && own == worker
		})
		// Without a cgroup strays are looked for every 200 ms: one that was born just now is frozen by the next pause.
		eventually(t, "the worker to be frozen", func() bool {
			if err := s.Pause(t.Context()); err != nil {
				t.Fatal(err)
			}
			raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", worker))
			if err := s.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			return strings.Contains(string(raw), ") T ")
		})
	})
}

// A shell starts programs by vfork: it waits in the kernel, where no signal reaches it, while its child is stopped before it begins.
func TestPauseOfAProgramThatStartsOthers(t *testing.T) {
	s := newServer(t, func(spec *process.Spec) {
		spec.Command, spec.Ready = []string{"sh", "-c", "while :; do /bin/true; done"}, nil
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		if err := s.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// A ready check that something else answers says nothing about the process.
func TestReadyCheckOfSomethingElse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := newServer(t, func(spec *process.Spec) {
		spec.Command = []string{"sleep", "600"}
		spec.Ready = func(ctx context.Context) error {
			var d net.Dialer
			c, err := d.DialContext(ctx, "tcp", l.Addr().String())
			return errors.Join(err, func() error {
				if c != nil {
					return c.Close()
				}
				return nil
			}())
		}
	})
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "something else answers") {
		t.Errorf("start: %v", err)
	}
}
