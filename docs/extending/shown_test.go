package extending

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	goBlock = regexp.MustCompile("(?s)```go\n(.*?)```")
	source  = regexp.MustCompile(`<!-- code: (\S+) -->`)
)

// TestShownCodeIsRealCode: each Go block of a guide stands, word for word, in a file that is compiled and run.
func TestShownCodeIsRealCode(t *testing.T) {
	guides, err := filepath.Glob("*.md")
	if err != nil || len(guides) < 5 {
		t.Fatalf("%d guides: %v", len(guides), err)
	}
	for _, guide := range guides {
		text, code := read(t, guide), ""
		for _, file := range source.FindAllStringSubmatch(text, -1) {
			code += read(t, file[1])
		}
		blocks := goBlock.FindAllStringSubmatch(text, -1)
		if len(blocks) == 0 || code == "" {
			t.Errorf("%s shows %d blocks of code, of %d bytes", guide, len(blocks), len(code))
		}
		for _, b := range blocks {
			if !strings.Contains(code, b[1]) {
				t.Errorf("%s shows what stands in none of its files:\n%s", guide, b[1])
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
