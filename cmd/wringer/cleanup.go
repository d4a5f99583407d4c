package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"wringer/faults"
)

func cleanupCommand(std streams) *cobra.Command {
	return &cobra.Command{
		Use:   "cleanup [DIR]",
		Short: "Undo what a run that was killed left behind",
		Long: `Undo what a run that was killed left behind outside its own process: programs that it started, what it changed on a Toxiproxy server, and the undo commands of its exec faults.

DIR is a record's folder, or one of records; default: runs. A run heals by itself however it ends, except by kill -9 or a
crash; it keeps a journal for this. Only what the journal names is touched, and only where it is still the run's own.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("cleanup: name one folder")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return cleanup(cmd.Context(), append(args, "runs")[0], std)
		},
	}
}

// cleanup replays every journal in dir and in the folders right below it.
func cleanup(ctx context.Context, dir string, std streams) error {
	if _, err := os.Stat(dir); err != nil {
		return usage("cleanup: %w; name the folder of a record", err)
	}
	journals := []string{filepath.Join(dir, faults.JournalFile)}
	below, err := filepath.Glob(filepath.Join(dir, "*", faults.JournalFile))
	if err != nil {
		return usage("cleanup: %w", err)
	}
	found := 0
	var failed []error
	for _, path := range append(journals, below...) {
		done, err := faults.Replay(path, func(u faults.Undo) error { return undo(ctx, u) })
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		found++
		for _, u := range done {
			fmt.Fprintf(std.out, "%s: undone: %s\n", filepath.Dir(path), u.What)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", filepath.Dir(path), err))
		}
	}
	if err := errors.Join(failed...); err != nil {
		return harness("cleanup: %w", err)
	}
	if found == 0 {
		fmt.Fprintf(std.out, "nothing was left behind in %s\n", dir)
	}
	return nil
}

func undo(ctx context.Context, u faults.Undo) error {
	carry, ok := undoers[u.Kind]
	if !ok {
		return fmt.Errorf("this version cannot undo the kind %q", u.Kind)
	}
	return carry(ctx, u.Data)
}
