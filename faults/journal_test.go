package faults

import (
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
	if _, err := Replay(path, func(Undo) error { return nil }); !errors.Is(err, ErrAlive) {
		t.Fatalf("replay beside the living: %v", err)
	}
	// The run dies while writing: the system closes its file, and nothing cleans up.
	j.file.WriteString(`{"id":4,"undo":{"kind":"ex`)
	j.file.Close()

	var seen []string
	done, err := Replay(path, func(u Undo) error {
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
	done, err = Replay(path, func(u Undo) error { return nil })
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
	undo := func(u Undo) error { carried++; return nil }
	if _, err := Replay(path, undo); err == nil || !strings.Contains(err.Error(), "WRINGER_ABSENT") || carried != 0 {
		t.Errorf("%d carried out, %v", carried, err)
	}
	t.Setenv("WRINGER_ABSENT", "hunter2")
	if done, err := Replay(path, undo); err != nil || len(done) != 1 || carried != 1 {
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

func FuzzPending(f *testing.F) {
	f.Add([]byte(`{"id":1,"undo":{"kind":"exec","what":"w","data":{}}}` + "\n" + `{"id":1,"done":true}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		left, _ := pending(strings.NewReader(string(raw)))
		for _, e := range left {
			if e.Undo == nil {
				t.Errorf("entry %d has nothing to undo", e.ID)
			}
		}
	})
}
