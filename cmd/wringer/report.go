package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"wringer/reports"
	"wringer/reports/text"
)

func reportCommand(std streams) *cobra.Command {
	var out *outputs
	cmd := &cobra.Command{
		Use:   "report DIR",
		Short: "Render a record again: the same record gives the same bytes",
		Long: `Render a record again. Without a format flag, report.html is written into DIR and the summary to stdout.

The exit code says whether rendering worked, not what the run's verdict was.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("report: name one record's folder")
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			return report(args[0], out, std)
		},
	}
	out = newOutputs(cmd, std, nil)
	return cmd
}

func report(dir string, out *outputs, std streams) error {
	if err := out.check(); err != nil {
		return err
	}
	for _, name := range []string{reports.RunFile, reports.ScenarioFile, reports.IntervalsFile, reports.ViolationsFile} {
		if err := out.reads(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	rec, err := reports.Load(dir)
	if err != nil {
		return usage("open record: %w", err)
	}
	asked := false
	for _, path := range out.files {
		asked = asked || *path != ""
	}
	page := ""
	if !asked {
		page = filepath.Join(dir, "report.html")
		if err := writeReport(page, rec); err != nil {
			return harness("write report: %w", err)
		}
	}
	return writeReports(rec, out.files, text.Render, std, page)
}
