package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// oldWords lists, by package folder, the names that gave way to plainer ones. A folder that ends with /... stands for itself and
// all folders below it. One idea has one word, and one word one idea: see CONTRIBUTING.md.
var oldWords = map[string]string{
	// driver.go, config.go: extras that Describe replaced
	"drivers": "Fleet Declarer Conversing Peered Sourced Looped Loop Stepped Verifying Witnessable Replayable",
	// now producer, transactor, arena, recordTemplate, wireHistory, brokerCounters
	"drivers/kafka": "line clerk yard recipe passage wires " +
		// now batcher, brokerSender, partitionQueue, batch, pendingRecord
		"press desk lane load flight " +
		// now begin, enqueue, claim, cancel, failUnreachable, expire
		"board hand enlist withdraw cutOff overdue",
	// now requester, originSession, rotation, rotationSession, client
	"drivers/rest": "courier ridden lane leg tour tourist fleet " +
		// now compiledRequest, compiler, requestBuffer, use, epoll, pendingRequest
		"page writer turn waker flight",
	// now Channel, call, requeueWaiting, writeClosed, unacknowledged
	"drivers/grpc/...": "Line exchange sendAway mute credit",
	// now DialsVia, Templated, Slow, ListeningLink, NeedsLayer
	"faults": "Through Filled Patient Stack Preparer",
	// now loopbackPair, jitterWalk, activeFaults, laneRules, activeFault, closeDelay, closeRule, bypass, hook, applyRules
	"faults/toxi": "door wander orders way force lull ender detour gate obey",
	// now unplanned, tooFarAhead, giveUpOrder, scope
	"reports/integrity": "stranger strangers far blur lane lanes",
	// now addEvidence, notify, reportedAt, emit
	"reports/...": "testify tellOf told tell",
	"scenarios":   "testify tellOf told tell",
	// now experiment, judgeSoFar, baselineHealthy, groupUnderTest, recordFolder, openError, wholeLink, bindLocalAddrs
	"scenarios/runner/...": "trial steady early herd book blame whole leave alone " +
		// now fromInjection, undisturbedUntil, mustFollow
		"took behind told tell " +
		// now sessionPool, sessionWorker, acquire, release, closing, idle
		"crew worker hire quit park home " +
		// now user, done, start, complete, run, operation
		"ride launch land carry flight " +
		// now deadlineTimer, attemptSlot, sleeper, preciseSleeper
		"keeper post alarm napper nap",
	// now attemptContext; elsewhere a limit is a gate's
	"scenarios/runner/traffic": "limit",
	// now awaitEnd, startCounting, stopCounting, firstAt, held
	"scenarios/shop": "bury breakBy mend since met",
	// now checkOutputs, runScenario, writeReports, worstExit, requireFolder
	"cmd/wringer": "room one emit worse folderOf",
}

// TestOldWordsAreGone looks at every name that a package of the table declares, tests included.
func TestOldWordsAreGone(t *testing.T) {
	tree := os.DirFS("../..")
	for pattern, words := range oldWords {
		old := strings.Fields(words)
		files := 0
		for name, source := range sources(t, tree, pattern) {
			files++
			for _, at := range uses(t, name, source, old) {
				t.Errorf("%s: this name gave way to a plainer one", at)
			}
		}
		if files == 0 {
			t.Errorf("%s: no file was read: the rule was not tested", pattern)
		}
	}
}

// The rule itself must be able to fail: each kind of declaration is found, and nothing but whole names that are declared.
func TestOldWordsAreFound(t *testing.T) {
	for source, want := range map[string]int{
		"func press() {}":                           1,
		"func (d desk) press(lane int) (load int)":  3,
		"type press struct{ desk, lane int }":       3,
		"type x interface{ press() }":               1,
		"type x[press any] struct{}":                1,
		"const press = 1; var desk, lane = 1, 2":    3,
		"func f() { press := 1; var desk int }":     2,
		"func f() { for desk, lane := range x {} }": 2,
		"func f() { press: for { break press } }":   1,
		"func f(a []press) { press(a); a.desk() }":  0,
		"func pressed() { _ = \"press\" } // press": 0,
	} {
		if got := uses(t, "x.go", "package x\n"+source, strings.Fields("press desk lane load")); len(got) != want {
			t.Errorf("%s: found %q, want %d", source, got, want)
		}
	}
}

// sources reads the Go files of a folder, and with /... of those below it, by their paths.
func sources(t *testing.T, tree fs.FS, pattern string) map[string]string {
	folder, below := strings.CutSuffix(pattern, "/...")
	all := make(map[string]string)
	err := fs.WalkDir(tree, folder, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != folder && !below:
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		source, err := fs.ReadFile(tree, name)
		all[name] = string(source)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// uses lists the declarations in a file whose whole name is one of the words, with their places.
func uses(t *testing.T, name, source string, words []string) (found []string) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range declared(file) {
		if slices.Contains(words, id.Name) {
			found = append(found, set.Position(id.Pos()).String()+": "+id.Name)
		}
	}
	return found
}

// declared lists the names that a file declares: functions, methods, types, fields, parameters, constants, variables and labels.
func declared(file *ast.File) (names []*ast.Ident) {
	assigned := func(exprs ...ast.Expr) {
		for _, e := range exprs {
			if id, ok := e.(*ast.Ident); ok {
				names = append(names, id)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			names = append(names, n.Name)
		case *ast.TypeSpec:
			names = append(names, n.Name)
		case *ast.Field: // of a struct, an interface, parameters, results, a receiver, or type parameters
			names = append(names, n.Names...)
		case *ast.ValueSpec:
			names = append(names, n.Names...)
		case *ast.LabeledStmt:
			names = append(names, n.Label)
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				assigned(n.Lhs...)
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				assigned(n.Key, n.Value)
			}
		}
		return true
	})
	return names
}
