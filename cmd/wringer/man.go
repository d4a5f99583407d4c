package main

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages, one for each command, into a folder",
		Long: `Write the manual pages, one for each command, into a folder, which is made where it is absent:

  wringer man ~/.local/share/man/man1 && man wringer-run`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("man: name one folder; see wringer man --help")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return usage("man: %w", err)
			}
			header := &doc.GenManHeader{Title: "WRINGER", Section: "1", Source: "wringer " + version(), Manual: "Wringer"}
			if at, err := time.Parse(time.RFC3339, thisBuild().Time); err == nil {
				header.Date = &at
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return harness("man: %w", err)
			}
			return nil
		},
	}
}
