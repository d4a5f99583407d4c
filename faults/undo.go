package faults

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// CommandMark is in the environment of a fault's commands and of their descendants, which are no part of the target.
const CommandMark = "WRINGER_FAULT"

// rewritten returns u with every text in its data and its What changed. Keys and the kind stay: they are the program's own.
func (u *Undo) rewritten(change func(string) (string, error)) (*Undo, error) {
	decoder := json.NewDecoder(bytes.NewReader(u.Data))
	decoder.UseNumber() // to keep all digits of numbers
	var data any
	if err := decoder.Decode(&data); err != nil {
		return nil, err
	}
	data, err := eachText(data, change)
	if err != nil {
		return nil, err
	}
	out := &Undo{Kind: u.Kind}
	if out.Data, err = json.Marshal(data); err != nil {
		return nil, err
	}
	out.What, err = change(u.What)
	return out, err
}

func eachText(value any, change func(string) (string, error)) (any, error) {
	var err error
	switch v := value.(type) {
	case string:
		return change(v)
	case []any:
		for i := range v {
			if v[i], err = eachText(v[i], change); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range v {
			if v[key], err = eachText(v[key], change); err != nil {
				return nil, err
			}
		}
	}
	return value, nil
}

// fromEnv replaces ${env.NAME} with the value in the current environment.
func fromEnv(text string) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "${env.")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, rest, closed := strings.Cut(after, "}")
		value, known := os.LookupEnv(name)
		if !closed || !known {
			return "", fmt.Errorf("the undo needs the environment variable %s: set it as it was for the run", name)
		}
		b.WriteString(value)
		text = rest
	}
}
