// Package sidecar is the conversation with a program of ours that runs beside a container, in the container's namespaces: calls as
// lines of JSON over the program's input, answers over its output. Where an engine is elsewhere, faults reach into containers by it.
package sidecar

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Calls are what a sidecar does, by name. A call may take its time: others wait meanwhile.
type Calls map[string]func(input json.RawMessage) (output any, err error)

// Typed is a call whose input is decoded first.
func Typed[I any](do func(I) (any, error)) func(json.RawMessage) (any, error) {
	return func(raw json.RawMessage) (any, error) {
		var input I
		if err := json.Unmarshal(raw, &input); err != nil {
			return nil, err
		}
		return do(input)
	}
}

// request is one line to a sidecar, and answer one line back.
type request struct {
	ID    uint64          `json:"id"`
	Call  string          `json:"call"`
	Input json.RawMessage `json:"input"`
}

type answer struct {
	ID     uint64          `json:"id"`
	Output json.RawMessage `json:"output,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// mostLine bounds a line, in bytes.
const mostLine = 16 << 20

// Serve answers calls one at a time until in ends, and returns nil then. The end of ctx does not end a blocked read: the caller
// closes in.
func Serve(ctx context.Context, in io.Reader, out io.Writer, calls Calls) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, mostLine)
	for ctx.Err() == nil && lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("sidecar: %w", err)
		}
		a := answer{ID: r.ID}
		output, err := calls.do(r)
		if err == nil {
			a.Output, err = json.Marshal(output)
		}
		if err != nil {
			a.Error = err.Error()
		}
		line, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("sidecar: %w", err)
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("sidecar: %w", err)
		}
	}
	return lines.Err()
}

func (c Calls) do(r request) (any, error) {
	call := c[r.Call]
	if call == nil {
		return nil, fmt.Errorf("this sidecar knows no call %q: it is of another version", r.Call)
	}
	return call(r.Input)
}

// Do makes a call in this process.
func (c Calls) Do(call string, input, output any) error {
	raw, err := json.Marshal(input)
	if err != nil {
		return err
	}
	said, err := c.do(request{Call: call, Input: raw})
	if err != nil || output == nil {
		return err
	}
	if raw, err = json.Marshal(said); err != nil {
		return err
	}
	return json.Unmarshal(raw, output)
}

// ErrEnded says that the sidecar has ended, or the connection to it.
var ErrEnded = errors.New("the sidecar has ended")
