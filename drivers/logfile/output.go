package logfile

import (
	"context"
	"errors"
	"fmt"

	"wringer/drivers"
)

// output follows what a part of the target writes.
type output struct {
	part   string
	lines  drivers.Lines
	offset int64
}

func openOutput(env drivers.Env, part string) (follower, error) {
	l, err := env.Output(part)
	if err != nil {
		return nil, err
	}
	return &output{part: part, lines: l}, nil
}

func (o *output) poll(take func(line []byte, number int32, offset int64) error) (drained bool, err error) {
	ended, cancel := context.WithCancel(context.Background())
	cancel() // Next does not wait
	for {
		line, err := o.lines.Next(ended) // a line that is there comes first
		if errors.Is(err, context.Canceled) {
			return o.lines.Drained(), nil
		}
		if err != nil {
			return false, err
		}
		o.offset++
		if err := take(line, 0, o.offset); err != nil {
			return false, err
		}
	}
}

func (o *output) unread() error { return fmt.Errorf("the last line that %s wrote has no end", o.part) }

func (o *output) close() error {
	o.lines.Close()
	return nil
}
