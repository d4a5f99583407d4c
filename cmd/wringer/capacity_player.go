package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// capacityPlayer plays trials on one target.
type capacityPlayer struct {
	scenario   *scenarios.Scenario
	options    runner.Options
	dir        string
	reset      string
	nullFor    time.Duration // each run against a null target; 0: calibrateFor
	experiment *runner.Experiment
	release    func() error // gives the answer's folder back; nil: it is not held yet
}

// open starts the target. After a restart, or in a search that goes on, its outputs go to a folder of their own.
func (p *capacityPlayer) open(ctx context.Context) (err error) {
	if err := p.hold(); err != nil {
		return err
	}
	opt := p.options
	if entries, err := os.ReadDir(p.dir); err == nil && len(entries) > 0 {
		opt.Dir = p.free("target")
	}
	if p.experiment, err = runner.Open(ctx, p.scenario, opt); err != nil {
		return err
	}
	return p.hold()
}

// hold takes the answer's folder, by the scenario that lies in it, for as long as the search goes on: two would overwrite each other.
func (p *capacityPlayer) hold() (err error) {
	if p.release != nil {
		return nil
	}
	p.release, err = faults.Hold(filepath.Join(p.dir, reports.ScenarioFile))
	switch {
	case errors.Is(err, fs.ErrNotExist): // not made yet
		return nil
	case errors.Is(err, faults.ErrAlive):
		return usage("a search goes on in %s: wait for its end, or end it", p.dir)
	}
	return err
}

// end closes the target, and gives the folder back.
func (p *capacityPlayer) end() error {
	err := p.close()
	if p.release != nil {
		err = errors.Join(err, p.release())
	}
	return err
}

// free is a folder of the answer's that nothing stands at yet.
func (p *capacityPlayer) free(name string) string {
	for i := 1; ; i++ {
		dir := filepath.Join(p.dir, fmt.Sprintf("%s-%03d", name, i))
		if _, err := os.Lstat(dir); err != nil {
			return dir
		}
	}
}

func (p *capacityPlayer) close() error {
	if p.experiment == nil {
		return nil
	}
	err := p.experiment.Close()
	p.experiment = nil
	return err
}

// Play implements capacity.Player.
func (p *capacityPlayer) Play(ctx context.Context, at int, st runner.Step) (*reports.Run, string, error) {
	st.Dir = filepath.Join(p.dir, "trials", fmt.Sprintf("trial-%03d", at))
	if at == 0 {
		st.Dir = p.free(filepath.Join("trials", "between"))
	} else if _, err := os.Lstat(st.Dir); err == nil { // of a search that was killed
		st.Dir = p.free(filepath.Join("trials", fmt.Sprintf("trial-%03d-again", at)))
	}
	run, err := p.experiment.Play(ctx, st)
	place, relative := filepath.Rel(p.dir, st.Dir)
	return run, filepath.ToSlash(place), errors.Join(err, relative)
}

// Reset implements capacity.Player.
func (p *capacityPlayer) Reset(ctx context.Context) error {
	switch p.reset {
	case "":
		return errors.ErrUnsupported
	case "restart":
		if err := p.close(); err != nil {
			return err
		}
		return p.open(ctx)
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", p.reset)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", p.reset, err, clip(string(out), 200))
	}
	return nil
}
