package command

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"wringer/faults"
)

// openInside prepares a fault whose commands run in a part of the target.
func (f *Fault) openInside() error {
	c := f.config
	part, err := f.env.Part(c.Container)
	if err != nil {
		return err
	}
	inside, ok := part.(faults.Inside)
	if !ok {
		return faults.ErrUnsupported{Part: c.Container, Verb: "commands inside: run them beside it, without container"}
	}
	f.inside = inside
	f.base = command{Dir: c.Dir, Env: c.environment(), Timeout: cmp.Or(c.Timeout, defaultTimeout)}
	return nil
}

// leftover is the entry of the undo command in the journal.
func (f *Fault) leftover() (kind string, data any) {
	undo := f.command(f.config.Undo)
	if f.inside != nil {
		return f.inside.Leftover(undo.inner())
	}
	return UndoKind, undo
}

func (c command) inner() faults.Command {
	return faults.Command{Words: c.Words, Env: c.Env, Dir: c.Dir}
}

// runInside is run, in a part.
func (c command) runInside(ctx context.Context, part faults.Inside) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	out := &outputEnd{}
	err := part.Run(ctx, c.inner(), out)
	if err == nil {
		return out.bytes(), nil
	}
	err = fmt.Errorf("%s: %w", c, err)
	if text := strings.TrimSpace(tail(string(out.text))); text != "" {
		err = fmt.Errorf("%w: %s", err, text)
	}
	return out.bytes(), err
}
