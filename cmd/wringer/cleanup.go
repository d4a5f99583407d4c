package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"wringer/faults"
	"wringer/faults/container"
)

func cleanupCommand(std streams) *cobra.Command {
	trust, images := false, false
	cmd := &cobra.Command{
		Use:   "cleanup [DIR]",
		Short: "Undo what a run that was killed left behind",
		Long: `Undo what a run that was killed left behind outside its own process: programs and containers that it started, queues and exchanges that it declared, what it changed on a Toxiproxy server, and the undo commands of its exec faults.

DIR is a record's folder, or one of records; default: runs. A run heals by itself however it ends, except by kill -9 or a
crash, and with --keep; it keeps a journal for this. Only what the journal names is touched, and only where it is still the run's own.

A journal is bound to the machine, the user and the folder in which it was written. One that was moved, changed or written
elsewhere is listed and not carried out: whoever wrote it chose the commands. --trust carries it out.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("cleanup: name one folder")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if trust && len(args) == 0 {
				return usage("cleanup: --trust needs the folder: wringer cleanup --trust DIR")
			}
			if images {
				if len(args) > 0 {
					return usage("cleanup: --images stands alone: it names no folder")
				}
				return cleanupImages(cmd.Context(), std)
			}
			return cleanup(cmd.Context(), append(args, "runs")[0], trust, std)
		},
	}
	cmd.Flags().BoolVar(&trust, "trust", false, "carry out journals too that were moved, changed, or written by others or elsewhere: read them first")
	cmd.Flags().BoolVar(&images, "images", false, "remove the images that runs built; nothing else")
	return cmd
}

// cleanupImages removes the images that runs built, which stay in the engine as a cache.
func cleanupImages(ctx context.Context, std streams) error {
	engine, err := container.Open(ctx)
	if err != nil {
		return harness("cleanup: %w", err)
	}
	defer engine.Close()
	removed, err := engine.RemoveImages(ctx)
	for _, name := range removed {
		fmt.Fprintf(std.out, "removed: image %s\n", name)
	}
	if err != nil {
		return harness("cleanup: %w", err)
	}
	if len(removed) == 0 {
		fmt.Fprintln(std.out, "no run's image is left")
	}
	return nil
}

// cleanup replays every journal in dir and in the folders right below it.
func cleanup(ctx context.Context, dir string, trust bool, std streams) error {
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
		done, err := faults.Replay(path, trust, func(u faults.Undo) error { return undo(ctx, u) })
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		found++
		if errors.Is(err, faults.ErrForeign) {
			listForeign(path, std)
			failed = append(failed, fmt.Errorf("%s: %w; if you trust it: wringer cleanup --trust %s", filepath.Dir(path), err, filepath.Dir(path)))
			continue
		}
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

// listForeign tells what a journal of others would have done. Its words are theirs.
func listForeign(path string, std streams) {
	left, err := faults.Left(path)
	if err != nil {
		return
	}
	for _, u := range left {
		fmt.Fprintf(std.out, "%s: not carried out: %q, %s %s\n", filepath.Dir(path), u.What, strconv.Quote(u.Kind), strconv.Quote(string(u.Data)))
	}
}

func undo(ctx context.Context, u faults.Undo) error {
	carry, ok := undoers[u.Kind]
	if !ok {
		return fmt.Errorf("this version cannot undo the kind %q", u.Kind)
	}
	return carry(ctx, u.Data)
}
