package faults

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fullDisk takes some bytes of a line, and no more.
type fullDisk struct{ *os.File }

func (d fullDisk) Write(p []byte) (int, error) {
	n, err := d.File.Write(p[:len(p)-1])
	return n, errors.Join(err, syscall.ENOSPC)
}

// A disk that is full for a while leaves the journal whole: what is in force is undone by cleanup, and no line continues half of another.
func TestJournalOfAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), JournalFile)
	j := NewJournal(path, nil)
	if _, err := j.Due("exec", "first", 1); err != nil {
		t.Fatal(err)
	}
	if err := appendWhole(fullDisk{j.file}, []byte(`{"id":2,"done":true}`+"\n")); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("%v", err)
	}
	file := j.file
	unwritable, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	j.file = unwritable
	if _, err := j.Due("exec", "second", 2); err == nil {
		t.Fatal("a line that cannot be written is due")
	}
	unwritable.Close()
	j.file = file
	if _, err := j.Due("exec", "third", 3); err != nil {
		t.Fatal(err)
	}
	j.file.Close() // the run dies
	var undone []string
	if _, err := Replay(path, false, func(u Undo) error { undone = append(undone, u.What); return nil }); err != nil || strings.Join(undone, " ") != "third first" {
		t.Errorf("undone %q: %v", undone, err)
	}
}

// An entry that could not be read again is refused before its action.
func TestJournalOfALongEntry(t *testing.T) {
	j := NewJournal(filepath.Join(t.TempDir(), JournalFile), nil)
	if _, err := j.Due("exec", "long", strings.Repeat("x", maxEntry)); err == nil || !strings.Contains(err.Error(), "shorten") {
		t.Errorf("%v", err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}
