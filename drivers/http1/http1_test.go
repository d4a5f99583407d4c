package http1

import (
	"strings"
	"testing"
)

func TestIs(t *testing.T) {
	for _, name := range []string{"", "Content-Length", "content-length", "CONTENT-LENGTH", "Content_Length", "Content-Lengt", "@", "`", "K", "\u212a"} {
		for _, other := range []string{"", "content-length", "@", "`", "k"} {
			if got, want := Is([]byte(name), other), len(name) == len(other) && strings.EqualFold(name, other); got != want {
				t.Errorf("Is(%q, %q) = %v, want %v", name, other, got, want)
			}
		}
	}
}

func TestLength(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "007": 7, "123456789012345678": 123456789012345678} {
		if got, ok := Length([]byte(text)); !ok || got != want {
			t.Errorf("Length(%q) = %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "-1", "+1", " 1", "1 ", "0x1", "1,1", "1234567890123456789"} {
		if got, ok := Length([]byte(text)); ok {
			t.Errorf("Length(%q) = %d, want none", text, got)
		}
	}
}

func TestChunkSize(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1a": 26, "1A": 26, "0fffffffffffff": 0xfffffffffffff} {
		if got, ok := ChunkSize([]byte(text)); !ok || got != want {
			t.Errorf("ChunkSize(%q) = %d, %v, want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "-1", " 1", "1 ", "0x1", "g", "\x10", "\x11", "1234567890abcdef"} {
		if got, ok := ChunkSize([]byte(text)); ok {
			t.Errorf("ChunkSize(%q) = %d, want none", text, got)
		}
	}
}
