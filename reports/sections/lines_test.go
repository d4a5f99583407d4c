package sections

import "testing"

// A text of a file or a target commands no terminal.
func TestLines(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "",
		"one\n\ttwo · ✓ é":           "one\n\ttwo · ✓ é",
		"\x1b[2J\a\r\u009b31m\u202e": `\x1b[2J\a\r\u009b31m\u202e`,
	} {
		if got := Lines(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
