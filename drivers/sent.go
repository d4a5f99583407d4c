package drivers

import (
	"fmt"
	"slices"
	"strings"
)

// SentBody computes again the body that was sent for an operation, from its number and its key. It appends the body to dst. One
// goroutine at a time may use it.
type SentBody func(dst []byte, op *Op) []byte

// Recalling is an optional extra of a Driver that can compute again what it sent.
type Recalling interface {
	// SentBody returns the function, or why what was sent cannot be computed again.
	SentBody() (SentBody, error)
}

// passing are the places whose values are known only while an attempt is made, or of one message of several.
var passing = []string{"b3", "message", "message_id", "traceparent", "xray"}

// Recallable returns why what a template rendered cannot be computed again from an operation's number and key; nil if it can. Captured
// values are names that the template's dialect adds: captured lists them.
func Recallable(text string, captured ...string) error {
	for rest := text; ; {
		_, inside, after, found, err := cutPlace(rest)
		if err != nil || !found {
			return err
		}
		rest = after
		words := strings.Fields(inside)
		if len(words) > 1 && words[0] == "raw" {
			words = words[1:]
		}
		switch {
		case len(words) == 0:
		case slices.Contains(captured, words[0]):
			return fmt.Errorf("{{%s}} is captured from an answer, and is not kept once the operation is over", words[0])
		case slices.Contains(passing, words[0]):
			return fmt.Errorf("{{%s}} differs by attempt or message", words[0])
		}
	}
}
