package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"wringer/reports"
	"wringer/scenarios"
)

// book writes the record's folder while the run goes on, so that a crash leaves the last good second readable.
type book struct {
	dir  string
	made bool // by us: the folder was not there
	sc   *scenarios.Scenario
	log  *os.File
	hlog *hdrhistogram.HistogramLogWriter
	next time.Time // of the next checkpoint

	mu      sync.Mutex // guards outputs
	outputs []*output
}

// openBook makes the folder and writes the scenario into it.
func openBook(dir string, sc *scenarios.Scenario) (*book, error) {
	b := &book{dir: dir, sc: sc}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		b.made = true
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("make record folder: %w; name another with --out", err)
		}
	case err != nil:
		return nil, fmt.Errorf("open record folder: %w; name another with --out", err)
	case len(entries) > 0:
		return nil, fmt.Errorf("record folder %s is not empty: name another with --out, or remove it", dir)
	}
	if err := os.WriteFile(filepath.Join(dir, "scenario.yaml"), sc.Source, 0o644); err != nil {
		b.discard()
		return nil, fmt.Errorf("write record: %w; name another folder with --out", err)
	}
	if b.log, err = os.Create(filepath.Join(dir, "intervals.hlog")); err != nil {
		b.discard()
		return nil, fmt.Errorf("write record: %w; name another folder with --out", err)
	}
	b.hlog = hdrhistogram.NewHistogramLogWriter(b.log)
	return b, nil
}

// begin writes the interval log's head. The format keeps its base time in whole seconds.
func (b *book) begin(epoch time.Time) error {
	ms := epoch.Truncate(time.Second).UnixMilli()
	b.hlog.SetBaseTime(ms)
	return errors.Join(
		b.hlog.OutputComment("[Response times in nanoseconds, from the planned start; one interval a second and stream]"),
		b.hlog.OutputLogFormatVersion(),
		b.hlog.OutputBaseTime(ms),
		b.hlog.OutputStartTime(ms),
		b.hlog.OutputLegend(),
	)
}

// interval appends one second of one stream. The histogram is used during the call only.
func (b *book) interval(stream string, epoch time.Time, start time.Duration, h *hdrhistogram.Histogram) error {
	if h == nil {
		return nil
	}
	h.SetTag(stream)
	h.SetStartTimeMs(epoch.Add(start).UnixMilli())
	h.SetEndTimeMs(epoch.Add(start + time.Second).UnixMilli())
	return b.hlog.OutputIntervalHistogram(h)
}

// checkpointShare bounds the time spent on checkpoints: a long run's record is large, and is then written less often.
const checkpointShare = 50

// checkpoint saves an incomplete record, unless the last one was too recent for its cost.
func (b *book) checkpoint(record func() *reports.Run) error {
	now := time.Now()
	if now.Before(b.next) {
		return nil
	}
	if err := reports.Save(b.dir, record()); err != nil {
		return err
	}
	b.next = time.Now().Add(checkpointShare * time.Since(now))
	return nil
}

// finish saves the record and the evidence. Nothing that came from the environment is written.
func (b *book) finish(run *reports.Run, violations []reports.Violation) error {
	return errors.Join(reports.SaveViolations(b.dir, violations), b.closeLog(), reports.Save(b.dir, run))
}

// closeOutputs closes the files of output that are still open, once nothing writes to them any more.
func (b *book) closeOutputs() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var failed []error
	for _, o := range b.outputs {
		failed = append(failed, o.Close())
	}
	return errors.Join(failed...)
}

func (b *book) closeLog() error {
	if b.log == nil {
		return nil
	}
	log := b.log
	b.log = nil
	return log.Close()
}

// discard removes what was written: the run never began.
func (b *book) discard() {
	b.closeLog()
	if b.made {
		os.RemoveAll(b.dir)
		return
	}
	for _, name := range []string{"scenario.yaml", "intervals.hlog", "run.json", outputDir} {
		os.RemoveAll(filepath.Join(b.dir, name))
	}
}
