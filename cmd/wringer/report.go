package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"wringer/reports"
	"wringer/reports/html"
	"wringer/reports/text"
)

func reportCommand(std streams) *cobra.Command {
	var files map[string]*string
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
			return report(args[0], files, std)
		},
	}
	files = formatFlags(cmd)
	return cmd
}

func report(dir string, files map[string]*string, std streams) error {
	rec, err := reports.Load(dir)
	if err != nil {
		return usage("open record: %w", err)
	}
	asked := false
	for _, path := range files {
		asked = asked || *path != ""
	}
	page := ""
	if !asked {
		page = filepath.Join(dir, "report.html")
		if err := writeFile(page, rec, html.Render); err != nil {
			return harness("write report: %w", err)
		}
	}
	return writeReports(rec, files, text.Render, std, page)
}
