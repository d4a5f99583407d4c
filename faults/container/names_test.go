package container

import (
	"slices"
	"strings"
	"testing"
)

func TestSearchList(t *testing.T) {
	for text, want := range map[string][]string{
		"": nil,
		"nameserver 127.0.0.11\nsearch corp.example  lan\noptions ndots:0\n": {"corp.example", "lan"},
		"domain a\n# search none\nsearch b\n":                                {"b"},
		"search" + strings.Repeat(" x", 20):                                  {"x", "x", "x", "x", "x", "x", "x", "x"},
	} {
		if got := searchList(strings.NewReader(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// A caller's resolver asks for the name alone, and with what it appends. Another machine of that first name is another name.
func TestNamesThatAreAsked(t *testing.T) {
	got := asked([]string{"stock", "shop-stock"}, []string{"corp.example.", ".", "lan", "lan"})
	want := []string{"shop-stock", "shop-stock.corp.example", "shop-stock.lan", "stock", "stock.corp.example", "stock.lan"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
