package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// EvidenceLimit is the number of violations of one kind, stream, place, link and window that are kept.
const EvidenceLimit = 100

// ViolationWriter appends evidence to violations.jsonl, one JSON object per line. Of each kind it keeps the first EvidenceLimit
// per stream, place, link and window, so that one flood does not hide the others. The run holds the full numbers. It is safe for concurrent
// use.
type ViolationWriter struct {
	mu   sync.Mutex
	file *os.File
	kept map[evidenceKey]int
	err  error
}

type evidenceKey struct{ kind, stream, place, link, window string }

// NewViolationWriter creates violations.jsonl in the folder, empty. The caller closes the writer.
func NewViolationWriter(dir string) (*ViolationWriter, error) {
	path := filepath.Join(dir, ViolationsFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("write evidence: %w", err)
	}
	return &ViolationWriter{file: f, kept: make(map[evidenceKey]int)}, nil
}

// Write appends one violation, or leaves it out when enough of its kind were kept. A line goes out in one write: a crash
// truncates at most the last line. After an error Write writes nothing more and returns the same error again.
func (w *ViolationWriter) Write(v *Violation) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := evidenceKey{v.Kind, v.Stream, v.Place, v.Link, v.Window}
	if w.err != nil || w.kept[key] >= EvidenceLimit {
		return w.err
	}
	line, err := encodeViolation(v)
	if err == nil {
		_, err = w.file.Write(line)
	}
	if err != nil {
		w.err = fmt.Errorf("write evidence: %w", err)
		return w.err
	}
	w.kept[key]++
	return nil
}

// Close puts the evidence on the disk. The writer cannot be used afterwards.
func (w *ViolationWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := errors.Join(w.file.Sync(), w.file.Close()); err != nil {
		return fmt.Errorf("write evidence: %w", err)
	}
	return nil
}

func encodeViolation(v *Violation) ([]byte, error) {
	one := *v
	list(&one.Attempts)
	list(&one.Seen)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(&one)
	return b.Bytes(), err
}

// SaveViolations writes all the evidence of a run at once, capped as ViolationWriter does.
func SaveViolations(dir string, all []Violation) error {
	w, err := NewViolationWriter(dir)
	if err != nil {
		return err
	}
	for i := range all {
		if err := w.Write(&all[i]); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	return w.Close()
}
