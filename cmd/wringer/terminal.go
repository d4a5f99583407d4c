package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// terminal returns the width of w, 0 when it is not a terminal, and whether to use colour. It asks the system, never the terminal: one
// that does not answer would hold up every command.
func terminal(w io.Writer) (width int, colour bool) {
	width, _ = size(w)
	return width, coloured(width > 0)
}

// size returns the columns and rows of w, zeros when it is not a terminal.
func size(w io.Writer) (columns, rows int) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, 0
	}
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || columns <= 0 || rows <= 0 {
		return 80, 24
	}
	return columns, rows
}

// coloured says whether to use colour. FORCE_COLOR decides where it is set, for a pipe too; 0 and false are no colour.
func coloured(isTerminal bool) bool {
	switch force, set := os.LookupEnv("FORCE_COLOR"); {
	case set && (force == "0" || force == "false"):
		return false
	case set && force != "":
		return true
	}
	return isTerminal && os.Getenv("NO_COLOR") == "" && drawable()
}

// drawable says whether a terminal understands more than plain lines.
func drawable() bool { return os.Getenv("TERM") != "dumb" && os.Getenv("TERM") != "" }
