package logfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/drivers/effect"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reading is a source that receives.
type reading struct {
	t      *testing.T
	env    drivers.Env
	path   string
	source drivers.Source
	ended  chan error
	mu     sync.Mutex
	ids    []string
	wrong  []string
}

func start(t *testing.T, c *Config, before string) *reading {
	t.Helper()
	r := &reading{t: t, env: drivertest.NewEnv(t, time.Now()), path: filepath.Join(t.TempDir(), "ledger.log"), ended: make(chan error, 1)}
	if before != "" {
		r.write(before)
	}
	if c.Path == "" {
		c.Path = r.path
	}
	c.Check(func(field, message string) { t.Fatalf("%s: %s", field, message) })
	source, err := c.Open(t.Context(), r.env)
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.source = source
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.ended <- source.Receive(ctx, func(d *drivers.Delivery) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.ids = append(r.ids, string(d.ID))
			if d.Wrong != "" {
				r.wrong = append(r.wrong, d.Wrong)
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *reading) write(text string) {
	r.t.Helper()
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reading) charge(n uint64) string {
	return fmt.Sprintf("10:00 charged %s %d cents\n", r.env.Identity.Text(n), n)
}

// catchUp returns the operations that were delivered, or the reason why not all were.
func (r *reading) catchUp() ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	answer := make(chan error, 1)
	go func() { answer <- r.source.CatchUp(ctx) }()
	var err error
	select {
	case err = <-answer:
	case err = <-r.ended:
		cancel()
		<-answer
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var numbers []string
	for _, id := range r.ids {
		if seq, b := r.env.Identity.Parse([]byte(id)); b == drivers.Ours {
			numbers = append(numbers, fmt.Sprint(seq))
		} else {
			numbers = append(numbers, "foreign")
		}
	}
	return numbers, err
}

func charged() *Config {
	return &Config{Line: `charged (?P<id>\S+) (?P<cents>\d+) cents`, Fields: effect.Fields{ID: "id", Match: map[string]string{"cents": "{{seq}}"}}}
}

func TestLines(t *testing.T) {
	r := start(t, charged(), "10:00 charged old 5 cents\n")
	r.write("noise\n" + r.charge(1) + r.charge(2) + r.charge(2) + "10:00 charged stranger 5 cents\r\n" + strings.Replace(r.charge(3), "3 cents", "4 cents", 1))
	got, err := r.catchUp()
	if want := "1 2 2 foreign 3"; strings.Join(got, " ") != want || err != nil {
		t.Errorf("%v, %v, want %s", got, err, want)
	}
	if len(r.wrong) != 1 || r.wrong[0] != `cents is "4", and "3" was sent` {
		t.Errorf("corrupt: %q", r.wrong)
	}
}

func TestJSONLines(t *testing.T) {
	r := start(t, &Config{Fields: effect.Fields{ID: "$.order"}}, "")
	r.write(fmt.Sprintf("not json\n{\"level\":\"info\"}\n{\"order\":%q}\n", r.env.Identity.Text(9))) // the file appears
	if got, err := r.catchUp(); strings.Join(got, " ") != "9" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// A file that is renamed is read to its end, also what is written to it later, and its successor from its start.
func TestRotation(t *testing.T) {
	r := start(t, charged(), "")
	r.write(r.charge(1))
	old, err := os.OpenFile(r.path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if got, err := r.catchUp(); len(got) != 1 || err != nil {
		t.Fatal(got, err)
	}
	if err := os.Rename(r.path, r.path+".1"); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(old, r.charge(2))
	r.write(r.charge(3))
	if got, err := r.catchUp(); len(got) != 3 || err != nil {
		t.Fatal(got, err)
	}
	fmt.Fprint(old, r.charge(4))
	if got, err := r.catchUp(); len(got) != 4 || err != nil {
		t.Fatal(got, err)
	}
}

// Lines that may be missing are never taken for none.
func TestCutFiles(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(r *reading)
		want string
	}{
		"cut":            {func(r *reading) { os.Truncate(r.path, 0) }, "it was cut from"},
		"cut and longer": {func(r *reading) { os.WriteFile(r.path, []byte(strings.Repeat(r.charge(5), 9)), 0o644) }, "written anew in place"},
		"half a line":    {func(r *reading) { r.write("charged x") }, "has no end"},
		"a line of 2 MiB": {func(r *reading) { r.write(strings.Repeat("x", 2<<20)) },
			"a line is longer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, charged(), "")
			r.write(r.charge(1) + r.charge(2))
			if _, err := r.catchUp(); err != nil {
				t.Fatal(err)
			}
			c.do(r)
			if _, err := r.catchUp(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// A file that never was there is not an empty one.
func TestAbsentFile(t *testing.T) {
	r := start(t, charged(), "")
	if _, err := r.catchUp(); err == nil || !strings.Contains(err.Error(), "there is no file") {
		t.Errorf("caught up: %v", err)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{}, "takes one of path and part"},
		{Config{Path: "a", Part: "b"}, "takes one of path and part"},
		{Config{Path: "a", Line: "(", Fields: effect.Fields{ID: "id"}}, "line: error parsing regexp"},
		{Config{Path: "a", Line: "(?P<di>x)", Fields: effect.Fields{ID: "id"}}, `id: the expression has no group named "id"; it has: di`},
		{Config{Path: "a", Fields: effect.Fields{ID: "id"}}, `id: path "id": begin with $`},
		{Config{Path: "a", Fields: effect.Fields{ID: "$.id", Match: map[string]string{"$.n": "{{uuid}}"}}}, "match.$.n: {{uuid}} is not known"},
	} {
		var all []string
		c.config.Check(func(field, message string) { all = append(all, field+": "+message) })
		if text := strings.Join(all, "\n"); !strings.Contains(text, c.want) {
			t.Errorf("%+v: %q, want %q", c.config, text, c.want)
		}
	}
	c := Config{Path: "absent/folder/log", Fields: effect.Fields{ID: "$.id"}}
	var told string
	c.CheckFiles(t.TempDir(), func(string) error { return os.ErrNotExist }, func(field, message string) { told = field })
	if told != "path" {
		t.Error("a folder that is not there is not told")
	}
	told, c.Path = "", "log"
	c.CheckFiles(t.TempDir(), func(string) error { return os.ErrNotExist }, func(field, message string) { told = field })
	if told != "" {
		t.Error("a file that may appear is told")
	}
}
