package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers/drivertest/tier"
	"wringer/faults"
	"wringer/faults/faulttest"
)

func TestMain(m *testing.M) {
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(m)
}

func sh(script string) []string { return []string{"sh", "-c", script} }

func open(t *testing.T, c *Config, env faults.Env) *Fault {
	t.Helper()
	env.Log = slog.New(slog.DiscardHandler)
	f, err := c.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	return f.(*Fault)
}

// The fault is a file. While it exists nothing is served, and requests are noted in another file.
func TestConformance(t *testing.T) {
	faulttest.Run(t, func(t *testing.T) faulttest.Rig {
		dir := t.TempDir()
		broken, met := filepath.Join(dir, "broken"), filepath.Join(dir, "met")
		c := &Config{
			Exec: sh("touch " + broken), Undo: sh("rm -f " + broken), Dir: dir,
			Bites: sh("test -e " + met), Gone: sh("test ! -e " + broken),
		}
		return faulttest.Rig{Config: c, Fault: open(t, c, faults.Env{}), Meet: func(context.Context) error {
			if _, err := os.Stat(broken); err != nil {
				return nil
			}
			return errors.Join(os.WriteFile(met, nil, 0o600), errors.New("broken"))
		}}
	})
}

type kept struct {
	mu     sync.Mutex
	buffer bytes.Buffer
	closed int
}

func (k *kept) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.buffer.Write(p)
}

func (k *kept) Close() error { k.closed++; return nil }

func TestEvidence(t *testing.T) {
	k := &kept{}
	f := open(t, &Config{Exec: sh("echo broke $HOW"), Undo: sh("echo healed >&2"), Env: map[string]string{"HOW": "badly"}},
		faults.Env{Name: "f", Output: func(string) (io.WriteCloser, error) { return k, nil }})
	if err := errors.Join(f.Inject(t.Context()), f.Heal(t.Context()), f.Probe(t.Context()), f.Heal(t.Context())); err != nil {
		t.Fatal(err)
	}
	want := "$ sh -c echo broke $HOW\nbroke badly\n\n# exit status 0\n$ sh -c echo healed >&2\nhealed\n\n# exit status 0\n"
	if got := k.buffer.String(); got != want || k.closed != 1 {
		t.Errorf("evidence %q, closed %d times", got, k.closed)
	}
	if !f.Bite().Bit {
		t.Error("without check the exit status of exec says that it bit")
	}
}

func TestFailures(t *testing.T) {
	dir := t.TempDir()
	mark := filepath.Join(dir, "undone")
	t.Run("exec", func(t *testing.T) {
		f := open(t, &Config{Exec: sh("echo no such device; exit 2"), Undo: sh("touch " + mark)}, faults.Env{})
		if err := f.Inject(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 2: no such device") {
			t.Errorf("inject: %v", err)
		}
		if f.Bite().Bit {
			t.Error("a command that failed bit")
		}
		if err := f.Heal(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(mark); err != nil {
			t.Error("a command that failed was not undone")
		}
	})
	t.Run("undo", func(t *testing.T) {
		gone := filepath.Join(dir, "ready")
		f := open(t, &Config{Exec: sh("true"), Undo: sh("test -e " + gone)}, faults.Env{})
		if err := f.Inject(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := f.Heal(t.Context()); err == nil || f.Probe(t.Context()) == nil {
			t.Errorf("heal: %v", err)
		}
		os.WriteFile(gone, nil, 0o600)
		if err := errors.Join(f.Heal(t.Context()), f.Probe(t.Context())); err != nil {
			t.Errorf("the second heal: %v", err)
		}
	})
	t.Run("probe", func(t *testing.T) {
		f := open(t, &Config{Exec: sh("true"), Undo: sh("true"), Gone: sh("exit 1")}, faults.Env{})
		if err := errors.Join(f.Inject(t.Context()), f.Heal(t.Context())); err != nil {
			t.Fatal(err)
		}
		if err := f.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "leaked fault") {
			t.Errorf("probe: %v", err)
		}
	})
	t.Run("timeout", func(t *testing.T) {
		f := open(t, &Config{Exec: sh("sleep 600 & wait"), Undo: sh("true"), Timeout: 3 * time.Second}, faults.Env{})
		if err := f.Inject(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("inject: %v", err)
		}
		if err := f.Heal(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("no such program", func(t *testing.T) {
		f := open(t, &Config{Exec: []string{"/nonexistent"}, Undo: sh("true")}, faults.Env{})
		if err := f.Inject(t.Context()); err == nil {
			t.Error("injected by nothing")
		}
	})
	t.Run("no journal", func(t *testing.T) {
		never := filepath.Join(dir, "never")
		f := open(t, &Config{Exec: sh("touch " + never), Undo: sh("true")}, faults.Env{Journal: faults.NewJournal("/nonexistent/journal", nil)})
		if err := f.Inject(t.Context()); err == nil {
			t.Error("injected without a journal")
		}
		if _, err := os.Stat(never); err == nil {
			t.Error("what is not in the journal was done")
		}
	})
}

// Cleanup undoes the fault of a run that died. The journal does not hold the environment's secrets; cleanup reads them from
// the environment.
func TestUndo(t *testing.T) {
	dir := t.TempDir()
	path, mark := filepath.Join(dir, faults.JournalFile), filepath.Join(dir, "mark")
	t.Setenv("TOKEN", "s3cret")
	journal := faults.NewJournal(path, func(s string) string { return strings.ReplaceAll(s, "s3cret", "${env.TOKEN}") })
	f := open(t, &Config{Exec: sh("true"), Undo: sh("echo -n s3cret > " + mark)}, faults.Env{Journal: journal})
	if err := errors.Join(f.Inject(t.Context()), journal.Close()); err != nil {
		t.Fatal(err)
	}
	carry := func(u faults.Undo) error { return Undo(t.Context(), u.Data) }
	os.Unsetenv("TOKEN")
	if _, err := faults.Replay(path, false, carry); err == nil || !strings.Contains(err.Error(), "TOKEN") {
		t.Errorf("without the variable: %v", err)
	}
	os.Setenv("TOKEN", "s3cret")
	if done, err := faults.Replay(path, false, carry); err != nil || len(done) != 1 {
		t.Fatalf("%v, %v", done, err)
	}
	if raw, _ := os.ReadFile(mark); string(raw) != "s3cret" {
		t.Errorf("the undo wrote %q", raw)
	}
	for _, bad := range []string{`{}`, `no`, `{"words":[],"timeout_ns":1}`} {
		if Undo(t.Context(), json.RawMessage(bad)) == nil {
			t.Errorf("%s was carried out", bad)
		}
	}
}

func TestConfig(t *testing.T) {
	for want, c := range map[string]Config{
		"":          {Exec: []string{"a"}, Undo: []string{"b"}, Bites: []string{"c"}, Gone: []string{"d"}},
		"exec undo": {},
		"undo":      {Exec: []string{"a"}, Undo: []string{""}},
		"check":     {Exec: []string{"a"}, Undo: []string{"b"}, Bites: []string{}},
		"probe":     {Exec: []string{"a"}, Undo: []string{"b"}, Gone: []string{""}},
		"timeout":   {Exec: []string{"a"}, Undo: []string{"b"}, Timeout: time.Hour},
		"env":       {Exec: []string{"a"}, Undo: []string{"b"}, Env: map[string]string{"A=": "x"}},
	} {
		var got []string
		c.Check(func(field, _ string) { got = append(got, field) })
		if strings.Join(got, " ") != want {
			t.Errorf("problems at %q, want %q", got, want)
		}
	}
	c := Config{Exec: []string{"tc", "qdisc"}}
	if c.words() != "exec tc qdisc" || c.On() != (faults.Place{}) || c.Kind() != "exec" {
		t.Errorf("%s on %v", c.words(), c.On())
	}
}

// Of a command that writes without end the last lines are kept, in bounded memory.
func TestOutputWithoutEnd(t *testing.T) {
	c := command{Words: sh("head -c 50000000 /dev/zero | tr '\\0' 'x'; echo; echo the last line; exit 3"), Timeout: time.Minute}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	text, err := c.run(t.Context())
	runtime.ReadMemStats(&after)
	if len(text) > mostOutput+100 || !strings.HasSuffix(string(text), "\nthe last line\n") || !strings.HasPrefix(string(text), "[") {
		t.Errorf("kept %d bytes: %.60q...", len(text), text)
	}
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "the last line") {
		t.Errorf("error %.400v", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
		t.Errorf("it took %d bytes of memory", used)
	}
}

func TestOutputEnd(t *testing.T) {
	var o outputEnd
	for i := range 1 << 14 {
		fmt.Fprintf(&o, "line %d\n", i)
	}
	want := int64(0)
	for i := range 1 << 14 {
		want += int64(len(fmt.Sprintf("line %d\n", i)))
	}
	if got := int64(len(o.text)) + o.cut; got != want || len(o.text) != mostOutput {
		t.Errorf("%d bytes kept and left out of %d", got, want)
	}
	if _, first, _ := strings.Cut(string(o.bytes()), "\n"); !strings.HasPrefix(first, "line ") {
		t.Errorf("begins with %.30q", first)
	}
}
