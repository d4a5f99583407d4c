package command

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"wringer/faults"
)

// room is a part in which commands run. It ends each with the status that its first argument names.
type room struct {
	faults.Part
	mu  sync.Mutex
	ran []string
}

func (r *room) Run(_ context.Context, c faults.Command, out io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ran = append(r.ran, c.Words[0])
	if c.Words[0] == "/no" {
		return faults.ExitStatus(1)
	}
	return nil
}

func (r *room) Leftover(c faults.Command) (string, any) { return "room", c }

// Every command of a fault inside a part runs there, the check too, and none on this machine: none of them exists here.
func TestEveryCommandRunsInside(t *testing.T) {
	for check, bit := range map[string]bool{"/yes": true, "/no": false} {
		r := &room{}
		config := &Config{Container: "stock", Exec: []string{"/break"}, Undo: []string{"/mend"}, Bites: []string{check}, Gone: []string{"/gone"}}
		f, err := config.Open(faults.Env{Part: func(string) (faults.Part, error) { return r, nil }})
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range []func(context.Context) error{f.Inject, f.Heal, f.Probe} {
			if err := call(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if f.Bite().Bit != bit {
			t.Errorf("check %s: bit is %v", check, !bit)
		}
		for _, want := range []string{"/break", check, "/mend", "/gone"} {
			if !slices.Contains(r.ran, want) {
				t.Errorf("%s did not run inside: %s", want, strings.Join(r.ran, " "))
			}
		}
	}
}
