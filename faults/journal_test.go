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
	j := NewJournal(path, func(s string) string { return strings.ReplaceAll(s, "hunter2", "${env.PASSWORD}") })
	if _, err := os.Stat(path); err == nil {
		t.Error("a journal without entries has a file")
	}
	due := func(what string) func() error {
		t.Helper()
		done, err := j.Due("exec", what, map[string]string{"password": "hunter2"})
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
	if raw, _ := os.ReadFile(path); strings.Contains(string(raw), "hunter2") {
		t.Error("the journal holds a secret")
	}
	if _, err := Replay(path, func(Undo) error { return nil }); !errors.Is(err, ErrAlive) {
		t.Fatalf("replay beside the living: %v", err)
	}
	// The run dies while it writes: its file is closed by the system, and nothing tidies up.
	j.file.WriteString(`{"id":4,"undo":{"kind":"ex`)
	j.file.Close()

	var seen []string
	done, err := Replay(path, func(u Undo) error {
		seen = append(seen, u.What)
		var data map[string]string
		if json.Unmarshal(u.Data, &data) != nil || data["password"] != "${env.PASSWORD}" {
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

func TestJournalOfNobody(t *testing.T) {
	var j *Journal
	done, err := j.Due("exec", "x", nil)
	if err != nil || done() != nil || j.Close() != nil {
		t.Error("a nil journal does not keep quiet")
	}
}

// What cannot be written down is not done.
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
