package rest

import (
	"slices"
	"strings"
	"testing"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

func TestOutline(t *testing.T) {
	starts, bodies := outline("# a\nGET http://h/\nPOST http://h/\n@one\n\nPUT http://h/\n# more\nA: b\n  @two\nGET http://h/ \n\n\nPOST http://h/\nX: y\nGET: z\n", false)
	if want := []int{2, 3, 6, 10, 13}; !slices.Equal(starts, want) {
		t.Errorf("targets begin in lines %d, want %d", starts, want)
	}
	if want := []bodyLine{{4, "one"}, {9, "two"}}; !slices.Equal(bodies, want) {
		t.Errorf("bodies are %v, want %v", bodies, want)
	}
	if starts, _ := outline("\n{}\n \n{}\n", true); !slices.Equal(starts, []int{2, 4}) {
		t.Errorf("JSON targets are in lines %d", starts)
	}
}

// The outline has as many targets as vegeta's parser finds.
func FuzzOutline(f *testing.F) {
	for _, text := range []string{
		"GET http://h/\n", "GET http://h/\nA: b\n\nGET http://h/a\nGET http://h/b\n# x\n", "# x\n\n  \nPUT http://h/\n  \nPUT\thttp://h/ x\nA: b\nGET http://h/\n",
		"GET http://h/\r\nA: b\r\n\r\nGET http://h/\r\n", "GET http://h/\n#\nGET http://h/\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "@") || len(text) > 1000 {
			t.Skip("vegeta reads the files of bodies")
		}
		next := vegeta.NewHTTPTargeter(strings.NewReader(text), nil, nil)
		found := 0
		for ; ; found++ {
			err := next(new(vegeta.Target))
			if err == vegeta.ErrNoTargets {
				break
			}
			if err != nil {
				return
			}
		}
		if starts, _ := outline(text, false); len(starts) != found {
			t.Errorf("%q: %d targets, and vegeta finds %d", text, len(starts), found)
		}
	})
}
