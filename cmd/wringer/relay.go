package main

import (
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"wringer/faults/relay"
)

// relayCommand is what runs in the relay container of a target of containers.
func relayCommand() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:    "relay",
		Short:  "Take connections in a network of containers for a run outside of it",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			token := os.Getenv(relay.TokenVariable)
			if token == "" {
				return usage("relay: the environment variable %s is not set; a run starts relays itself", relay.TokenVariable)
			}
			l, err := net.Listen("tcp", address)
			if err != nil {
				return harness("relay: %w", err)
			}
			if err := relay.Serve(cmd.Context(), l, token); err != nil {
				return harness("%w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&address, "listen", fmt.Sprintf(":%d", relay.ControlPort), "the `ADDRESS` on which the run connects")
	return cmd
}
