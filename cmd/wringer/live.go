package main

import (
	"context"
	"fmt"

	"wringer/reports"
	"wringer/reports/live"
	"wringer/scenarios/runner"
)

// openLive serves the page of --live, and tells where it is. The caller calls done at the end.
func (f *runFlags) openLive(ctx context.Context, std streams) (done func(), err error) {
	if f.live == "" {
		return func() {}, nil
	}
	if f.page, err = live.Listen(ctx, f.live); err != nil {
		return nil, usage("--live %s: %w: name another address", f.live, err)
	}
	fmt.Fprintf(std.err, "live: %s\n", f.page.URL())
	return func() {
		if err := f.page.Close(); err != nil {
			fmt.Fprintf(std.err, "warning: --live: %v\n", err)
		}
	}, nil
}

// watch hands partial records to the page of --live, to --prometheus and to the view. Nil: nobody watches.
func (f *runFlags) watch(v view, dir string) func(*reports.Run, runner.Progress) {
	if f.page == nil && f.telemetry.exporter == nil && f.quiet {
		return nil
	}
	return func(run *reports.Run, p runner.Progress) {
		if f.page != nil {
			f.page.Show(run, dir)
		}
		if f.telemetry.exporter != nil {
			f.telemetry.show(run, p)
		}
		v.show(run, p) // last: a terminal may take its time
	}
}
