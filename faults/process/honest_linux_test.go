package process_test

import (
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"wringer/faults"
	"wringer/faults/part"
	"wringer/faults/process"
)

// heldOutput holds the output, and with it the knowledge of the end, back.
type heldOutput struct{ release chan struct{} }

func (h heldOutput) Write(p []byte) (int, error) { <-h.release; return len(p), nil }

// A process that ends by itself as it is about to be killed was not killed, and its end is told as its own.
func TestEndsBeforeItIsKilled(t *testing.T) {
	file := t.TempDir() + "/end"
	out := heldOutput{make(chan struct{})}
	s := newServer(t, func(spec *process.Spec) {
		spec.Command, spec.Ready, spec.Output = []string{"sh", "-c", "echo x; while ! test -e " + file + "; do sleep 0.01; done; exit 3"}, nil, out
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	pid, _ := strconv.Atoi(s.Vars()["pid"])
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its end", func() bool { return !running(pid) })
	killed := make(chan error, 1)
	go func() { killed <- s.Kill(t.Context()) }()
	close(out.release)
	if err := <-killed; err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("kill: %v", err)
	}
	if deaths := s.Deaths(); len(deaths) != 1 || !strings.Contains(deaths[0].Text, "ended by itself: exit status 3") {
		t.Errorf("deaths %+v", deaths)
	}
}

// faultOn takes a fault on s through a timeline, and calls during while it is in force.
func faultOn(t *testing.T, s *server, c part.Config, during func()) faults.Injection {
	t.Helper()
	f, err := c.Open(faults.Env{Part: func(string) (faults.Part, error) { return s, nil }})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	return faults.Timeline{
		Plan:  []faults.Planned{{Name: "f", For: time.Millisecond, Fault: f}},
		Clock: func() time.Duration { return time.Since(begun) },
		Notify: func(e faults.Event) {
			if e.Step == faults.Healing {
				during()
			}
		},
	}.Run(t.Context())[0]
}

// A fault on a process that nothing asks for anything touched nothing, with an idle connection too while it is frozen. A kill
// ends that connection.
func TestProcessWithoutTraffic(t *testing.T) {
	for _, c := range []part.Config{{Pause: "echo"}, {Kill: "echo"}, {Restart: "echo"}, {CPU: "echo", Share: 0.2}, {Files: "echo"}} {
		t.Run(c.Kind(), func(t *testing.T) {
			t.Parallel()
			s := started(t, nil)
			if in := faultOn(t, s, c, func() {}); in.Bite.Bit || in.Err() != nil || !in.Healed {
				t.Errorf("without a connection: bite %+v, %v", in.Bite, in.Err())
			}
			idle, err := net.Dial("tcp", s.address)
			if err != nil {
				t.Fatal(err)
			}
			defer idle.Close()
			if _, err := idle.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := idle.Read(make([]byte, 1)); err != nil { // it is taken
				t.Fatal(err)
			}
			cuts := c.Kill != "" || c.Restart != ""
			if in := faultOn(t, s, c, func() {}); in.Bite.Bit != cuts || in.Err() != nil {
				t.Errorf("with an idle connection: bite %+v, %v", in.Bite, in.Err())
			}
		})
	}
}

// A frozen process that something else lets go on tells it.
func TestFrozenProcessThatRunsOn(t *testing.T) {
	s := started(t, nil)
	pid, _ := strconv.Atoi(s.Vars()["pid"])
	for name, during := range map[string]func(){"left alone": nil, "continued": func() {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it to go on", func() bool { return s.echo(t.Context()) == nil })
	}} {
		in := faultOn(t, s, part.Config{Pause: "echo"}, func() {
			if during != nil {
				during()
			}
		})
		if !in.Healed || (in.LapseErr != nil) != (during != nil) {
			t.Errorf("%s: %v", name, in.Err())
		}
	}
}
