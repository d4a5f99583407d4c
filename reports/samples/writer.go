package samples

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"wringer/reports"
)

const (
	// batchRows are passed to the file at once. batches of them at most wait for it: 5 s of 50,000 a second, in 35 MB.
	batchRows = 4096
	batches   = 64
	// patience is how long Finish waits for a disk, or the reader of a pipe.
	patience = 30 * time.Second
)

// Writer writes the rows of a run. Begin, Ended and Settled are safe for concurrent use, and do not block. A row that finds no room
// is missing from the file, and counted.
type Writer struct {
	name     string
	file     encoder
	patience time.Duration
	full     chan []entry // to the goroutine that writes
	free     chan []entry // batches that were written, for their memory
	done     chan struct{}

	mu       sync.Mutex // guards what follows
	streams  map[string]*reports.Begun
	batch    []entry
	taken    int64 // rows that found room
	late     int64 // rows that found none
	finished bool
	failure  error // why the file is not whole

	// of the goroutine that writes, until done is closed
	rows    []Row
	keys    []int64
	written int64 // of the rows taken
	err     error
}

// New starts to write to out, in the format that the name asks for; see CheckName. name is the file's in the record.
func New(out io.Writer, name string) (*Writer, error) { return newWriter(out, name, batches) }

// newWriter is New with a number of batches that may wait.
func newWriter(out io.Writer, name string, batches int) (*Writer, error) {
	file, err := newEncoder(out, name)
	if err != nil {
		return nil, err
	}
	w := &Writer{
		name: name, file: file, patience: patience, full: make(chan []entry, batches), free: make(chan []entry, batches), done: make(chan struct{}),
		streams: make(map[string]*reports.Begun), rows: make([]Row, batchRows), keys: make([]int64, batchRows),
	}
	go w.write()
	return w, nil
}

// Begin announces a stream before its first operation.
func (w *Writer) Begin(b reports.Begun) {
	w.mu.Lock()
	w.streams[b.Stream] = &b
	w.mu.Unlock()
}

// Ended takes the attempts of an operation that is over.
func (w *Writer) Ended(stream string, e *reports.Ended) {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.streams[stream]
	if b == nil {
		return
	}
	for i := range e.Trail {
		if w.finished || len(w.batch) == batchRows && !w.pass() {
			w.late++
			continue
		}
		if w.batch == nil {
			w.batch = w.empty()
		}
		w.batch = append(w.batch, newEntry(b, e, i))
		w.taken++
	}
}

// Settled passes on what has gathered. It comes about once a second.
func (w *Writer) Settled(string, time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.batch) > 0 && !w.finished {
		w.pass()
	}
}

// pass hands the batch over. It returns false if too many wait. The caller holds mu.
func (w *Writer) pass() bool {
	select {
	case w.full <- w.batch:
		w.batch = nil
		return true
	default:
		return false
	}
}

// empty is the memory of a batch.
func (w *Writer) empty() []entry {
	select {
	case batch := <-w.free:
		return batch
	default:
		return make([]entry, 0, batchRows)
	}
}

// Finish writes all rows and the end of the file, and waits for that, at most half a minute. It returns the number of rows in the file, and
// of those that are missing: all, if writing failed or did not end. Further calls return the same, and count what came too late meanwhile.
func (w *Writer) Finish() *reports.Samples {
	w.mu.Lock()
	first, rest := !w.finished, w.batch
	w.finished, w.batch = true, nil
	w.mu.Unlock()
	var failure error
	if first {
		failure = w.end(rest)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failure = errors.Join(w.failure, failure)
	var rows int64
	if w.failure == nil {
		rows = w.written
	}
	return &reports.Samples{File: w.name, Rows: rows, Missing: w.late + w.taken - rows}
}

// end hands over the last batch, and waits until all is written. The error says why it is not.
func (w *Writer) end(rest []entry) error {
	enough := time.NewTimer(w.patience)
	defer enough.Stop()
	handed := true
	select {
	case w.full <- rest:
	case <-enough.C:
		handed = false
	}
	close(w.full)
	if handed {
		select {
		case <-w.done:
			return w.err
		case <-enough.C:
		}
	}
	return fmt.Errorf("nothing more was taken for %s", w.patience)
}

// Close is Finish. The error says why the file is not whole. Rows that came too fast are no error.
func (w *Writer) Close() error {
	w.Finish()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure
}

func (w *Writer) write() {
	defer close(w.done)
	for batch := range w.full {
		if w.err == nil && len(batch) > 0 {
			w.err = w.file.write(w.describe(batch))
		}
		if w.err == nil {
			w.written += int64(len(batch))
		}
		select {
		case w.free <- batch[:0]:
		default:
		}
	}
	if w.err == nil {
		w.err = w.file.close()
	}
}

// describe makes the rows of a batch.
func (w *Writer) describe(batch []entry) []Row {
	rows := w.rows[:len(batch)]
	for i := range batch {
		batch[i].fill(&rows[i], &w.keys[i])
	}
	return rows
}
