package faults

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestJournalReplaysWhatWasNotUndone(t *testing.T) {
	path := filepath.Join(t.TempDir(), JournalFile)
	t.Setenv("PASSWORD", "hunter2")
	j := NewJournal(path, func(s string) string { return strings.ReplaceAll(s, "hunter2", "${env.PASSWORD}") })
	if _, err := os.Stat(path); err == nil {
		t.Error("a journal without entries has a file")
	}
	due := func(what string) func() error {
		t.Helper()
		done, err := j.Due("exec", what, secretive{Hunter2: []string{"-p", "hunter2"}, PID: 1<<62 + 1})
		if err != nil {
			t.Fatal(err)
		}
		return done
	}
	due("first")
	second := due("second")
	due("third")
	if err := errors.Join(second(), second()); err != nil {
		t.Fatal(err)
	}
	if raw, _ := os.ReadFile(path); strings.Contains(string(raw), `"hunter2"]`) {
		t.Error("the journal holds a secret")
	}
	if _, err := Replay(path, false, func(Undo) error { return nil }); !errors.Is(err, ErrAlive) {
		t.Fatalf("replay beside the living: %v", err)
	}
	// The run dies while writing: the system closes its file, and nothing cleans up.
	j.file.WriteString(`{"id":4,"undo":{"kind":"ex`)
	j.file.Close()

	var seen []string
	done, err := Replay(path, false, func(u Undo) error {
		seen = append(seen, u.What)
		var data secretive
		if json.Unmarshal(u.Data, &data) != nil || !slices.Equal(data.Hunter2, []string{"-p", "hunter2"}) || data.PID != 1<<62+1 {
			t.Errorf("data %s", u.Data)
		}
		if u.What == "third" {
			return errors.New("not yet")
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "third: not yet") || len(done) != 1 {
		t.Errorf("done %v, error %v", done, err)
	}
	if want := []string{"third", "first"}; !slices.Equal(seen, want) {
		t.Errorf("undone %q, want %q: the last first, and what was undone not again", seen, want)
	}
	done, err = Replay(path, false, func(u Undo) error { return nil })
	if err != nil || len(done) != 1 || done[0].What != "third" {
		t.Errorf("second replay: %v, %v", done, err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the journal is left: %v", err)
	}
}

// secretive has a key that equals the secret. Keys are the program's own, and must stay.
type secretive struct {
	Hunter2 []string `json:"hunter2"`
	PID     int64    `json:"pid"`
}

// Without the run's environment an undo stays in the journal, and names the missing variable.
func TestUndoNeedsTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), JournalFile)
	j := NewJournal(path, func(s string) string { return strings.ReplaceAll(s, "hunter2", "${env.WRINGER_ABSENT}") })
	if _, err := j.Due("exec", "x", "hunter2"); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	carried := 0
	carry := func(u Undo) error { carried++; return nil }
	if _, err := Replay(path, false, carry); err == nil || !strings.Contains(err.Error(), "WRINGER_ABSENT") || carried != 0 {
		t.Errorf("%d carried out, %v", carried, err)
	}
	t.Setenv("WRINGER_ABSENT", "hunter2")
	if done, err := Replay(path, false, carry); err != nil || len(done) != 1 || carried != 1 {
		t.Errorf("%v, %d carried out, %v", done, carried, err)
	}
}

func TestJournalOfNobody(t *testing.T) {
	var j *Journal
	done, err := j.Due("exec", "x", nil)
	if err != nil || done() != nil || j.Close() != nil {
		t.Error("a nil journal does not keep quiet")
	}
}

// An action that cannot be noted is not done.
func TestJournalThatCannotBeWritten(t *testing.T) {
	j := NewJournal(filepath.Join(t.TempDir(), "absent", JournalFile), nil)
	if _, err := j.Due("exec", "x", nil); err == nil {
		t.Error("an entry without a file was promised")
	}
}

// A journal may have been moved, changed, cut in the middle or written by another user. It is neither carried out nor changed,
// unless it is trusted.
func TestJournalOfOthers(t *testing.T) {
	state := t.TempDir()
	for name, change := range map[string]func(t *testing.T, text []byte) []byte{
		"untouched": nil,
		"edited": func(_ *testing.T, text []byte) []byte {
			return bytes.Replace(text, []byte("first"), []byte("evil!"), 1)
		},
		"a line added": func(_ *testing.T, text []byte) []byte {
			return append(text, "{\"id\":9,\"undo\":{\"kind\":\"exec\",\"what\":\"evil\",\"data\":{}}}\n"...)
		},
		"a line gone": func(_ *testing.T, text []byte) []byte { _, rest, _ := bytes.Cut(text, []byte("\n")); return rest },
		"other user": func(t *testing.T, text []byte) []byte {
			t.Setenv("XDG_STATE_HOME", t.TempDir())
			return text
		},
		"open key": func(t *testing.T, text []byte) []byte {
			key := filepath.Join(os.Getenv("XDG_STATE_HOME"), "wringer", keyFile)
			if err := os.Chmod(key, 0o644); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Chmod(key, 0o600) })
			return text
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", state)
			path := filepath.Join(t.TempDir(), JournalFile)
			j := NewJournal(path, nil)
			for _, what := range []string{"first", "second"} {
				if _, err := j.Due("exec", what, 1); err != nil {
					t.Fatal(err)
				}
			}
			j.Close()
			text, _ := os.ReadFile(path)
			if change != nil {
				text = change(t, text)
				os.WriteFile(path, text, 0o600)
			}
			carried := 0
			carry := func(Undo) error { carried++; return nil }
			_, err := Replay(path, false, carry)
			if change == nil {
				if err != nil || carried != 2 {
					t.Errorf("%d carried out, %v", carried, err)
				}
				return
			}
			if after, _ := os.ReadFile(path); !errors.Is(err, ErrForeign) || carried > 0 || !bytes.Equal(after, text) {
				t.Errorf("%d carried out, %v; the journal is now\n%s", carried, err, after)
			}
			if left, err := Left(path); err != nil || len(left) == 0 {
				t.Errorf("left %v, %v", left, err)
			}
			if _, err := Replay(path, true, carry); err != nil || carried == 0 {
				t.Errorf("trusted: %d carried out, %v", carried, err)
			}
		})
	}
	t.Run("moved", func(t *testing.T) {
		t.Setenv("XDG_STATE_HOME", state)
		from, to := filepath.Join(t.TempDir(), JournalFile), filepath.Join(t.TempDir(), JournalFile)
		j := NewJournal(from, nil)
		j.Due("exec", "first", 1)
		j.Close()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
		if _, err := Replay(to, false, func(Undo) error { t.Error("carried out"); return nil }); !errors.Is(err, ErrForeign) {
			t.Error(err)
		}
		// A name that leads elsewhere is not written to.
		os.Rename(to, to+".elsewhere")
		os.Symlink(to+".elsewhere", to)
		if _, err := Replay(to, true, func(Undo) error { t.Error("carried out"); return nil }); err == nil {
			t.Error("a link was followed")
		}
	})
	if at, err := os.Stat(filepath.Join(state, "wringer", keyFile)); err != nil || at.Mode().Perm() != 0o600 {
		t.Errorf("key %v, %v", at, err)
	}
}

func FuzzPending(f *testing.F) {
	f.Add([]byte(`{"id":1,"undo":{"kind":"exec","what":"w","data":{}}}` + "\n" + `{"id":1,"done":true}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, _ := entries(strings.NewReader(string(raw)))
		for _, e := range pending(all) {
			if e.Undo == nil {
				t.Errorf("entry %d has nothing to undo", e.ID)
			}
		}
	})
}
