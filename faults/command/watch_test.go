package command

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wringer/faults"
)

// A fault whose check held and then fails was undone by something else, and tells it. A check that never held tells that nothing
// was touched, and one that was killed tells nothing.
func TestCheckWhileInForce(t *testing.T) {
	for name, tt := range map[string]struct {
		check  string // DIR/broken is there while the fault is in force
		during func(t *testing.T, dir string)
		bit    bool
		lapse  string
	}{
		"holds":      {"test -e broken", func(*testing.T, string) {}, true, ""},
		"never held": {"false", func(*testing.T, string) {}, false, ""},
		"killed":     {"test -e slow && sleep 600; test -e broken", func(t *testing.T, dir string) { write(t, dir, "slow") }, true, ""},
		"undone": {"test -e broken", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "broken")); err != nil {
				t.Error(err)
			}
		}, true, "its check held, and then failed: sh -c test -e broken && touch held: exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			f := open(t, &Config{Exec: sh("touch broken"), Undo: sh("rm -f broken"), Bites: sh(tt.check + " && touch held"), Dir: dir}, faults.Env{})
			f.base.Timeout = 5 * time.Second
			begun := time.Now()
			in := faults.Timeline{
				Plan:  []faults.Planned{{Name: "f", For: 2 * checkEvery, Fault: f}},
				Clock: func() time.Duration { return time.Since(begun) },
				Notify: func(e faults.Event) {
					if e.Step != faults.Healing {
						return
					}
					await(t, filepath.Join(dir, "held"), tt.bit)
					tt.during(t, dir)
				},
			}.Run(t.Context())[0]
			if !in.Healed || in.Bite.Bit != tt.bit {
				t.Errorf("bite %+v, %v", in.Bite, in.Err())
			}
			if (in.LapseErr == nil) != (tt.lapse == "") || in.LapseErr != nil && !strings.Contains(in.LapseErr.Error(), tt.lapse) {
				t.Errorf("it tells %v", in.LapseErr)
			}
		})
	}
}

func write(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
		t.Error(err)
	}
}

// await waits until a file is there, if it will be.
func await(t *testing.T, path string, will bool) {
	t.Helper()
	for bound := time.Now().Add(30 * time.Second); will; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(bound) {
			t.Fatal("the check never held")
		}
	}
}
