package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"

	"wringer/drivers/tlsconfig"
	"wringer/scenarios/draft"
)

func defaultTLS() *tlsconfig.Config { return &tlsconfig.Config{} }

// fromLoad writes the stream that `wringer load` would send for a command line.
func fromLoad(words []string, from string, stdin io.Reader) (*draft.Scenario, error) {
	var text strings.Builder
	std := streams{stdin, &text, io.Discard}
	cmd := loadCommand(std)
	read := readForeign(cmd.Flags(), words)
	if read.answer != nil {
		return nil, read.answer
	}
	cmd.SetArgs(append(read.args, "--print-scenario"))
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.Execute(); err != nil {
		return nil, err
	}
	var written struct {
		Traffic yaml.MapSlice `yaml:"traffic"`
	}
	if err := yaml.UnmarshalWithOptions([]byte(text.String()), &written, yaml.UseOrderedMap()); err != nil {
		return nil, err
	}
	if len(written.Traffic) != 1 {
		return nil, errors.New("names no target")
	}
	body, ok := written.Traffic[0].Value.(yaml.MapSlice)
	if !ok {
		return nil, fmt.Errorf("the stream is a %T", written.Traffic[0].Value)
	}
	for i := range body {
		if body[i].Key == "rate" {
			body[i].Value = "10/s"
		}
	}
	made := &draft.Scenario{Name: "first", From: from}
	st := draft.Stream{Name: "requests", Body: body, Gates: []string{"errors < 1%", "p99 < 500ms"}}
	switch body[0].Key {
	case "kafka", "amqp":
		st.Name = "messages"
		st.Gates = append(st.Gates, "lost == 0")
		st.About = "each message is accounted for: wringer reads them back"
		if body[0].Key == "amqp" {
			st.Gates, st.About = st.Gates[:2], "a message counts once the broker confirmed it"
			st.Notes = []string{"The last part of the address is the queue. A virtual host stands before it: amqp://HOST/VHOST/QUEUE."}
		}
	case "grpc":
		st.Name = "calls"
	case "rest":
		rest, _ := body[0].Value.(yaml.MapSlice)
		made.Secrets = draft.Credentials(rest)
		st.GiveKeys()
	}
	made.Streams = []draft.Stream{st}
	return made, nil
}

// shellWords splits a command line as a shell does: quotes, backslashes, and lines that go on. It expands nothing.
func shellWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inside, quote := false, rune(0)
	letters := []rune(line)
	for i := 0; i < len(letters); i++ {
		c := letters[i]
		next := rune(0)
		if i+1 < len(letters) {
			next = letters[i+1]
		}
		switch {
		case quote == '\'' && c != '\'', quote == '"' && c != '"' && c != '\\':
			word.WriteRune(c)
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && next == '\n':
			i++
		case c == '\\' && quote == '"' && !strings.ContainsRune("\"\\$`", next):
			word.WriteRune(c)
		case c == '\\' && next != 0:
			word.WriteRune(next)
			inside = true
			i++
		case c == '$' && next == '\'' && quote == 0: // Chrome's "copy as cURL" writes $'...'
			inside = true
		case c == '\'' || c == '"':
			quote, inside = c, true
		case strings.ContainsRune(" \t\r\n", c):
			if inside || word.Len() > 0 {
				words = append(words, word.String())
			}
			word.Reset()
			inside = false
		default:
			word.WriteRune(c)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c is not closed", quote)
	}
	if inside || word.Len() > 0 {
		words = append(words, word.String())
	}
	return words, nil
}
