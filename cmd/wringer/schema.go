package main

import (
	"bytes"
	"io"

	"github.com/spf13/cobra"

	"wringer/reports"
	"wringer/scenarios"
)

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
