package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"wringer/reports"
	"wringer/reports/index"
	"wringer/reports/text"
)

func reportCommand(std streams) *cobra.Command {
	var out *outputs
	var serve string
	cmd := &cobra.Command{
		Use:   "report DIR",
		Short: "Render a record again, or the index of a folder of records",
		Long: `Render a record again: the same record gives the same bytes. Without a format flag, report.html is written into DIR and the summary to stdout.

Of a folder of records, such as runs, write index.html: the trend of each gate's value with its limit, and the verdict of each run. With
--serve the index of a folder that grows is served instead, until Ctrl-C.

The exit code says whether rendering worked, not what the run's verdict was.`,
		Example: `  wringer report runs/checkout-20260314T092653.000Z
  wringer report runs
  wringer report runs --serve 127.0.0.1:8080`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("report: name one record's folder")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if serve != "" {
				return serveIndex(cmd.Context(), args[0], serve, std)
			}
			return report(args[0], out, std)
		},
	}
	cmd.Flags().StringVar(&serve, "serve", "", "serve the index of a folder of records at `ADDRESS` on this machine, such as 127.0.0.1:8080")
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
	if index.Holds(dir) {
		return reportIndex(dir, out, std)
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
	return writeReports(rec, out.files, all(text.Render), std, page)
}
