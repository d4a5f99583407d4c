package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"wringer/faults/container"
	"wringer/faults/container/sidecar"
)

// sidecarCommand is what runs beside a container, in its namespaces, for faults on it.
func sidecarCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "sidecar",
		Short:  "Answer the calls of a run on the container whose network and processes this one shares",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := cmd.InOrStdin()
			if c, ok := in.(io.Closer); ok { // a read that waits ends with the command
				defer context.AfterFunc(cmd.Context(), func() { c.Close() })()
			}
			if err := sidecar.Serve(cmd.Context(), in, cmd.OutOrStdout(), container.SidecarCalls()); err != nil && cmd.Context().Err() == nil {
				return harness("%w", err)
			}
			return nil
		},
	}
}
