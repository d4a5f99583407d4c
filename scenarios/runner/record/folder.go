// Package record writes the folder of a run while the run goes on, so that a crash leaves the last good second readable.
package record

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"wringer/reports"
)

// Folder is the folder of one run. Output is safe for concurrent use. One goroutine at a time calls the other methods.
type Folder struct {
	dir    string
	made   bool // by us: the folder did not exist
	redact func(string) string
	log    *os.File // nil: not open
	hlog   *hdrhistogram.HistogramLogWriter
	next   time.Time // of the next checkpoint
	spare  spare     // from Begin to Finish

	mu      sync.Mutex // guards outputs
	outputs []*output
}

// Create makes the folder, which must not exist or be empty, and writes the scenario's text into it. redact replaces the values
// that came from the environment; no text is written without it.
func Create(dir string, scenario []byte, redact func(string) string) (*Folder, error) {
	f := &Folder{dir: dir, redact: redact}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		f.made = true
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("make record folder: %w; name another with --out", err)
		}
	case err != nil:
		return nil, fmt.Errorf("open record folder: %w; name another with --out", err)
	case len(entries) > 0:
		return nil, fmt.Errorf("record folder %s is not empty: name another with --out, or remove it", dir)
	}
	if err := os.WriteFile(filepath.Join(dir, reports.ScenarioFile), scenario, 0o644); err != nil {
		f.Discard()
		return nil, fmt.Errorf("write record: %w; name another folder with --out", err)
	}
	return f, nil
}

// OpenLog creates the interval log. It must be called before Begin and Interval.
func (f *Folder) OpenLog() error {
	log, err := os.Create(filepath.Join(f.dir, reports.IntervalsFile))
	if err != nil {
		return fmt.Errorf("write record: %w; name another folder with --out", err)
	}
	f.log, f.hlog = log, hdrhistogram.NewHistogramLogWriter(log)
	return nil
}

// Begin writes the interval log's head. epoch is the zero of the run's clock; the format keeps its base time in whole seconds.
func (f *Folder) Begin(epoch time.Time) error {
	f.spare.fill()
	ms := epoch.Truncate(time.Second).UnixMilli()
	f.hlog.SetBaseTime(ms)
	return errors.Join(
		f.hlog.OutputComment("[Response times in nanoseconds, from the planned start; one interval a second and stream]"),
		f.hlog.OutputLogFormatVersion(),
		f.hlog.OutputBaseTime(ms),
		f.hlog.OutputStartTime(ms),
		f.hlog.OutputLegend(),
	)
}

// Interval appends the second from start of one stream to the interval log. h is used during the call only; nil is no interval.
func (f *Folder) Interval(stream string, start time.Time, h *hdrhistogram.PackedHistogram) error {
	if h == nil {
		return nil
	}
	h.SetTag(stream)
	h.SetStartTimeMs(start.UnixMilli())
	h.SetEndTimeMs(start.Add(time.Second).UnixMilli())
	return f.hlog.OutputIntervalPackedHistogram(h)
}

// checkpointShare bounds the time spent on checkpoints to one in so many. The record of a long run is large, and is then
// written less often.
const checkpointShare = 50

// Encode redacts the record, in place, and returns the bytes of run.json.
func (f *Folder) Encode(run *reports.Run) ([]byte, error) {
	f.Redact(run, nil)
	return reports.Encode(run)
}

// Checkpoint saves the incomplete record whose bytes encode returns, of Encode, unless the last checkpoint was too recent for its
// cost. Without a free file descriptor the checkpoint before stays.
func (f *Folder) Checkpoint(encode func() ([]byte, error)) error {
	now := time.Now()
	if now.Before(f.next) {
		return nil
	}
	data, err := encode()
	if err != nil {
		return err
	}
	err = f.spare.write(atTheEnd, func() error { return reports.WriteFile(filepath.Join(f.dir, reports.RunFile), data) })
	f.spare.fill()
	if err != nil && !exhausted(err) {
		return err
	}
	f.next = time.Now().Add(checkpointShare * time.Since(now))
	return nil
}

// Finish redacts the record and the evidence, in place, and saves them.
func (f *Folder) Finish(run *reports.Run, violations []reports.Violation) error {
	f.Redact(run, violations)
	f.spare.free(0)
	return errors.Join(reports.SaveViolations(f.dir, violations), f.closeLog(), reports.Save(f.dir, run))
}

// CloseOutputs closes the output files that are still open. Nothing may write to them any more.
func (f *Folder) CloseOutputs() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var failed []error
	for _, o := range f.outputs {
		failed = append(failed, o.Close())
	}
	return errors.Join(failed...)
}

func (f *Folder) closeLog() error {
	f.spare.free(0)
	if f.log == nil {
		return nil
	}
	log := f.log
	f.log = nil
	return log.Close()
}

// Discard removes what was written: the run never began.
func (f *Folder) Discard() {
	f.closeLog()
	if f.made {
		os.RemoveAll(f.dir)
		return
	}
	for _, name := range []string{reports.ScenarioFile, reports.IntervalsFile, reports.RunFile, outputDir} {
		os.RemoveAll(filepath.Join(f.dir, name))
	}
}
