package faults

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// JournalFile is the journal's name in a record's folder.
const JournalFile = "journal.jsonl"

// Undo is what must be undone outside this process, in a form that another process can carry out.
type Undo struct {
	Kind string          `json:"kind"` // names the package that can carry it out
	What string          `json:"what"` // described in words
	Data json.RawMessage `json:"data"`
}

// Journal keeps on disk what a run has done outside its own process and not yet undone. Each entry is on the disk before
// the action. The journal locks its file while the run lives. A nil Journal keeps nothing. Safe for concurrent use.
type Journal struct {
	path   string
	redact func(string) string

	mu      sync.Mutex
	file    *os.File // nil before the first entry
	seal    *seal    // nil: there is no key, and the journal is nobody's
	last    int
	pending int
}

// entry is one line: an undo that is due, or the number of a completed one.
type entry struct {
	ID   int   `json:"id"`
	Undo *Undo `json:"undo,omitempty"`
	Done bool  `json:"done,omitempty"`
	// MAC seals the line and those before it.
	MAC string `json:"mac,omitempty"`
}

// NewJournal returns the journal at path. The first entry creates the file. redact, which may be nil, is applied to every
// text of an undo. Values from the environment are written as ${env.NAME}; Replay puts them back. A key in the user's state
// folder binds the journal to this machine, this user and its folder.
func NewJournal(path string, redact func(string) string) *Journal {
	return &Journal{path: path, redact: redact}
}

// Due notes an undo before the action that it undoes. It returns once the line is on the disk. done notes that the undo was
// carried out; it may be called more than once.
func (j *Journal) Due(kind, what string, data any) (done func() error, err error) {
	if j == nil {
		return func() error { return nil }, nil
	}
	raw, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", what, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	id := j.last + 1
	undo := &Undo{Kind: kind, What: what, Data: raw}
	if j.redact != nil {
		if undo, err = undo.rewritten(func(text string) (string, error) { return j.redact(text), nil }); err != nil {
			return nil, fmt.Errorf("journal %s: %w", what, err)
		}
	}
	if err := j.write(entry{ID: id, Undo: undo}); err != nil {
		return nil, fmt.Errorf("journal %s: %w", what, err)
	}
	j.last = id
	j.pending++
	return sync.OnceValue(func() error { return j.done(id) }), nil
}

func (j *Journal) done(id int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.write(entry{ID: id, Done: true}); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	j.pending--
	return nil
}

// write appends one line. j.mu is held.
func (j *Journal) write(e entry) error {
	if j.file == nil {
		file, err := os.OpenFile(j.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if err := lock(file); err != nil {
			return errors.Join(err, file.Close())
		}
		j.file = file
		// Without a seal the journal is still worth having: cleanup lists it, and runs it where it is trusted.
		j.seal, _ = newSeal(filepath.Dir(j.path))
	}
	before := j.seal.last()
	line, err := j.line(e)
	if err == nil {
		err = appendWhole(j.file, line)
	}
	if err != nil {
		j.seal.back(before) // the next line follows the one before
		return err
	}
	return j.file.Sync()
}

// line is an entry as it stands in the file.
func (j *Journal) line(e entry) (line []byte, err error) {
	if j.seal != nil {
		if e.MAC, err = j.seal.mac(e); err != nil {
			return nil, err
		}
	}
	if line, err = json.Marshal(e); err == nil && len(line) >= maxEntry {
		err = fmt.Errorf("an entry has %d bytes, and at most %d can be read again: shorten its command", len(line), maxEntry-1)
	}
	return append(line, '\n'), err
}

// appendWhole appends a line to a file, or leaves the file as it was: a full disk may take a part of it.
func appendWhole(file interface {
	io.Writer
	Stat() (fs.FileInfo, error)
	Truncate(size int64) error
}, line []byte) error {
	at, err := file.Stat()
	if err != nil {
		return err
	}
	if _, err := file.Write(line); err != nil {
		return errors.Join(err, file.Truncate(at.Size()))
	}
	return nil
}

// Close releases the journal. The file is removed if nothing is left to undo.
func (j *Journal) Close() error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	file := j.file
	j.file = nil
	if j.pending == 0 {
		return removeOpen(file, j.path) // the whole record is gone, if the run never began
	}
	return file.Close()
}

// ErrAlive says that the journal's run is still going on: it heals by itself.
var ErrAlive = errors.New("the run is still in progress: interrupt it, and it heals its faults by itself")

// remove removes the journal's file, which may be gone with its record.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Replay carries out the undos left in a journal, the last first, and notes each. It returns ErrAlive, and does nothing, if
// the run is still alive. It returns the undos that succeeded; the error joins the failures, which stay in the journal. The
// file is removed if nothing is left. Replay returns ErrForeign, and changes nothing, if this user did not write the journal
// here; Left tells its content. With trusted it carries out such a journal too.
func Replay(path string, trusted bool, undo func(Undo) error) (done []Undo, err error) {
	file, err := openJournal(path)
	if err != nil {
		return nil, err
	}
	open := true
	defer func() {
		if open {
			err = errors.Join(err, file.Close())
		}
	}()
	if err := lock(file); err != nil {
		return nil, err
	}
	all, err := entries(file)
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	seal, err := sealOf(filepath.Dir(path), all)
	if err != nil && !trusted {
		return nil, err
	}
	left := pending(all)
	// New lines must not continue a line that a crash cut off.
	if _, err := file.WriteString("\n"); err != nil {
		return nil, err
	}
	j := &Journal{path: path, file: file, seal: seal}
	var failed []error
	for i := len(left) - 1; i >= 0; i-- {
		if err := restored(left[i].Undo, undo); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", left[i].Undo.What, err))
			continue
		}
		done = append(done, *left[i].Undo)
		failed = append(failed, j.done(left[i].ID))
	}
	if err := errors.Join(failed...); err != nil {
		return done, err
	}
	open = false
	return done, removeOpen(file, path)
}

// restored carries out an undo with its values from the environment put back.
func restored(u *Undo, undo func(Undo) error) error {
	whole, err := u.rewritten(fromEnv)
	if err != nil {
		return err
	}
	return undo(*whole)
}

// maxEntry bounds a line of a journal.
const maxEntry = 1 << 20

// entries reads the lines of a journal. A line cut off by a crash had no action: the action follows its line.
func entries(r io.Reader) ([]entry, error) {
	var all []entry
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEntry)
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) == nil && (e.Done || e.Undo != nil) {
			all = append(all, e)
		}
	}
	return all, lines.Err()
}

// pending are the entries that are due and not done, in their order.
func pending(all []entry) (left []entry) {
	done := make(map[int]bool)
	for _, e := range all {
		if e.Done {
			done[e.ID] = true
		}
	}
	for _, e := range all {
		if e.Undo != nil && !e.Done && !done[e.ID] {
			left = append(left, e)
		}
	}
	return left
}

// sealOf is the seal of a journal after its last line, or ErrForeign.
func sealOf(dir string, all []entry) (*seal, error) {
	s, err := newSeal(dir)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	for _, e := range all {
		if !s.holds(e) {
			return nil, ErrForeign
		}
	}
	return s, nil
}

// Left lists what a journal says is left to undo, whoever wrote it.
func Left(path string) ([]Undo, error) {
	file, err := openJournal(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	all, err := entries(file)
	var out []Undo
	for _, e := range pending(all) {
		out = append(out, *e.Undo)
	}
	return out, err
}

// openJournal opens a journal that is a file, and no way to another.
func openJournal(path string) (*os.File, error) {
	at, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !at.Mode().IsRegular() {
		return nil, fmt.Errorf("journal %s is no file", path)
	}
	return os.OpenFile(path, os.O_RDWR|os.O_APPEND|noFollow, 0)
}

// Hold takes a file that is there for as long as the process lives, or until release. It returns ErrAlive where somebody else holds it,
// and does not wait.
func Hold(path string) (release func() error, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := lock(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file.Close, nil
}
