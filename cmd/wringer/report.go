package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"wringer/reports"
	"wringer/reports/html"
	"wringer/reports/text"
	"wringer/scenarios"
	"wringer/scenarios/shop"
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
	return emit(rec, files, text.Render, std, page)
}

func schemaCommand(std streams) *cobra.Command {
	record := false
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the scenario language, or of the run record",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if record {
				_, err := io.WriteString(std.out, reports.RecordSchema())
				return err
			}
			schema, err := scenarios.Schema(language)
			if err != nil {
				return harness("make schema: %w", err)
			}
			_, err = std.out.Write(append(bytes.TrimRight(schema, "\n"), '\n'))
			return err
		},
	}
	cmd.Flags().BoolVar(&record, "record", false, "the schema of run.json instead")
	return cmd
}

func shopCommand(std streams) *cobra.Command {
	config := &shop.Config{}
	cmd := &cobra.Command{
		Use:   "shop",
		Short: "Serve the embedded target alone, until interrupted",
		Long:  "Serve the embedded target alone: a small order system with REST, gRPC and Kafka faces.\n\n" + defectManual(),
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), config, std)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&config.Rest, "rest", "127.0.0.1:8080", "`ADDRESS` of the REST face")
	flags.StringVar(&config.GRPC, "grpc", "127.0.0.1:9090", "`ADDRESS` of the gRPC face")
	flags.StringVar(&config.Kafka, "kafka", "127.0.0.1:9092", "`ADDRESS` of the first broker; the others take the next ports")
	flags.StringSliceVar(&config.Defects, "defects", nil, "`DEFECTS` to switch on")
	return cmd
}

// defectManual lists what the shop can be made to do wrong.
func defectManual() string {
	var b strings.Builder
	b.WriteString("Defects:\n")
	for _, d := range shop.Defects() {
		fmt.Fprintf(&b, "  %-20s %s\n", d.Name, d.About)
	}
	return b.String()
}

// serve runs the shop until ctx ends.
func serve(ctx context.Context, config *shop.Config, std streams) error {
	var wrong error
	config.Check(func(field, message string) {
		if wrong == nil {
			wrong = usage("shop: --%s: %s", field, message)
		}
	})
	if wrong != nil {
		return wrong
	}
	target, err := config.Start(ctx, scenarios.TargetEnv{Log: (&runFlags{}).logger(std.err)})
	if err != nil {
		return harness("%w", err)
	}
	vars := target.Vars()
	for _, name := range config.Variables() {
		fmt.Fprintf(std.out, "%-6s %s\n", name, vars[name])
	}
	<-ctx.Done()
	return target.Close(context.WithoutCancel(ctx))
}
