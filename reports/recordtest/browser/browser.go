// Package browser opens pages in a real browser that all tests of a package share. Each tab holds one page at a time.
//
//	func TestMain(m *testing.M) { os.Exit(browser.Shared(m).Run()) }
//
//	func TestIt(t *testing.T) { b := browser.Open(t) }
package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"wringer/drivers/drivertest/tier"
)

// limit bounds a test that the browser does not end.
const limit = 5 * time.Minute

// Shared is m with an end: the browser that Open started ends after the tests.
func Shared(m interface{ Run() int }) interface{ Run() int } { return sharing{m} }

type sharing struct{ tests interface{ Run() int } }

// Run runs the tests.
func (s sharing) Run() int {
	defer func() {
		for _, end := range shared.ends {
			end()
		}
	}()
	return s.tests.Run()
}

// shared is started by the first test that needs a browser.
var shared struct {
	sync.Mutex
	context.Context
	ends []func()
}

func start(path string) (context.Context, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.Context != nil {
		return shared.Context, nil
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox)...)
	ctx, leave := chromedp.NewContext(alloc)
	shared.ends = []func(){leave, stop}
	if err := chromedp.Do(ctx); err != nil {
		return nil, err
	}
	shared.Context = ctx
	return ctx, nil
}

// Tab is a page, with what the browser complained of and asked for. It has a state of its own, and ends with the test.
type Tab struct {
	context.Context
	T *testing.T

	mu       sync.Mutex
	errors   []string
	requests []string
	server   string // whose pages were visited; empty: files alone were
}

// Open opens a tab. Without a browser the test is skipped, or fails where CI is set.
func Open(t *testing.T) *Tab {
	t.Helper()
	tier.Slow(t, "opens a page in a browser")
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" && os.Getenv("CI") != "" {
		t.Fatal("no chromium in PATH: the page cannot be tested")
	}
	if path == "" {
		t.Skip("no chromium in PATH: the page is not tested; install chromium")
	}
	first, err := start(path)
	if err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	ctx, leave := chromedp.NewContext(first, chromedp.WithNewBrowserContext())
	bounded, done := context.WithTimeout(ctx, limit)
	t.Cleanup(func() { done(); leave() })
	b := &Tab{Context: bounded, T: t}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	return b
}

// hear keeps errors of the console, and requests.
func (b *Tab) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, fmt.Sprintf("exception: %+v", ev.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		b.errors = append(b.errors, fmt.Sprintf("console: %s", ev.Type))
	case *log.EventEntryAdded:
		b.errors = append(b.errors, fmt.Sprintf("%s: %s", ev.Entry.Level, ev.Entry.Text))
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, ev.Request.URL)
	}
}

const file = "page.html"

// Show opens a page in the given width, in light or dark.
func (b *Tab) Show(page []byte, width int64, scheme string) {
	b.T.Helper()
	path := filepath.Join(b.T.TempDir(), file)
	if err := os.WriteFile(path, page, 0o600); err != nil {
		b.T.Fatal(err)
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(b, emulation.SetEmulatedMedia, media); err != nil {
		b.T.Fatal(err)
	}
	b.open((&url.URL{Scheme: "file", Path: path}).String(), width)
}

// Visit opens the page of a server on this machine in the given width.
func (b *Tab) Visit(address string, width int64) {
	b.T.Helper()
	b.mu.Lock()
	b.server = address
	b.mu.Unlock()
	b.open(address, width)
}

func (b *Tab) open(address string, width int64) {
	b.T.Helper()
	if err := chromedp.Do(b, chromedp.EmulateViewport(width, 900), chromedp.Navigate(address)); err != nil {
		b.T.Fatal(err)
	}
}

// Evaluate runs an expression in the page.
func Evaluate[T any](b *Tab, expression string) T {
	b.T.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.T.Fatal(err)
	}
	return v
}

// Quiet fails the test unless the browser asked for the pages alone, or for more of a visited server, and complained of nothing.
func (b *Tab) Quiet() {
	b.T.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.errors {
		b.T.Errorf("the browser complains: %s", e)
	}
	pages := 0
	for _, r := range b.requests {
		if strings.HasPrefix(r, "file:") && strings.HasSuffix(r, "/"+file) || b.server != "" && strings.HasPrefix(r, b.server) {
			pages++
		} else {
			b.T.Errorf("the page asks for %s", r)
		}
	}
	if pages == 0 {
		b.T.Error("not even the page's own request was seen: requests were not watched")
	}
}

// Complaint is a defect that axe-core finds.
type Complaint struct {
	ID, Impact, Help string
	Nodes            []string
}

// Audit runs axe-core over the page; rules is the path of its script.
func (b *Tab) Audit(rules string) []Complaint {
	b.T.Helper()
	text, err := os.ReadFile(rules)
	if err != nil {
		b.T.Fatal(err)
	}
	Evaluate[bool](b, string(text)+";true")
	return Evaluate[[]Complaint](b, `axe.run({resultTypes: ["violations"]}).then((r) => r.violations.map((v) => (
		{id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200))})))`)
}

// Width is how wide the page is; more than the screen: something is cut off.
func (b *Tab) Width() int64 {
	b.T.Helper()
	return Evaluate[int64](b, `document.documentElement.scrollWidth`)
}
