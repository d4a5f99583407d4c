package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// oldWords are names that were given up for plainer ones, by the folder in which they stood. One idea has one word.
var oldWords = map[string]string{
	"scenarios/runner": "trial crew worker hire quit home park ride leave launch land carry flight keeper limit post alarm napper nap book herd blame " +
		"whole took alone behind early steady",
	"reports":        "testify tellOf told stranger strangers far blur",
	"drivers":        "Declarer Conversing Peered Sourced Looped Fleet Stepped Verifying Witnessable Replayable",
	"drivers/kafka":  "press desk lane load line clerk yard recipe passage wires board hand enlist withdraw cutOff overdue flight",
	"drivers/rest":   "courier ridden tour tourist fleet leg writer turn waker lane flight",
	"drivers/grpc":   "Line line exchange sendAway mute credit",
	"faults":         "Filled Patient Stack Preparer",
	"faults/toxi":    "door wander orders way force lull ender detour gate obey",
	"scenarios/shop": "bury breakBy mend",
	"cmd/wringer":    "room emit worse folderOf",
}

// TestOldWordsAreGone looks at every declared name below the folders, tests aside.
func TestOldWordsAreGone(t *testing.T) {
	for folder, words := range oldWords {
		old := strings.Fields(words)
		seen := 0
		err := filepath.WalkDir(filepath.Join("../..", folder), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, name := range declared(file) {
				seen++
				if slices.Contains(old, name) {
					t.Errorf("%s declares %s: that name was given up for a plainer one", path, name)
				}
			}
			return nil
		})
		if err != nil || seen == 0 {
			t.Errorf("%s: %d names read: %v", folder, seen, err)
		}
	}
}

// declared lists the names of the types, functions, methods and fields that a file declares.
func declared(file *ast.File) (names []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			names = append(names, n.Name.Name)
		case *ast.TypeSpec:
			names = append(names, n.Name.Name)
		case *ast.StructType:
			for _, f := range n.Fields.List {
				for _, name := range f.Names {
					names = append(names, name.Name)
				}
			}
		}
		return true
	})
	return names
}
