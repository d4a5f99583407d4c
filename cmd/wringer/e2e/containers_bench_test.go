package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"wringer/faults/container"
	"wringer/scenarios/containers/imagetest"
)

// bench is one test on a real engine.
type bench struct {
	*testing.T
	engine *container.Engine
	dir    string
	name   string   // of the container web: nobody else's
	env    []string // of the command, beside this process's

	mu   sync.Mutex
	made []string
}

// onEngine begins a test on a real engine, and skips it where none answers.
func onEngine(t *testing.T) *bench {
	t.Helper()
	slow(t)
	imagetest.Engine(t)
	scenario(t, light)
	engine, err := container.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	b := &bench{T: t, engine: engine, dir: t.TempDir(), name: "web-" + strings.ToLower(rand.Text()[:10])}
	b.listen()
	return b
}

// write writes a file of the test, with IMAGE in place of the tool's image and WEB in place of the container's name.
func (b *bench) write(name, text string) string {
	b.Helper()
	if strings.Contains(text, "IMAGE") {
		text = strings.ReplaceAll(text, "IMAGE", imagetest.Tool(b.T))
	}
	path := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "WEB", b.name)), 0o644); err != nil {
		b.Fatal(err)
	}
	return path
}

// scenario writes a scenario that asks the container WEB, with keys of its own.
func (b *bench) scenario(name, duration, target, more string) string {
	b.Helper()
	return b.write(name+".yaml", fmt.Sprintf(`name: %s
seed: 1
run: {duration: %s, drain: 200ms}
traffic: {web: {rest: {request: "GET http://${WEB.8080}/env"}, rate: 10/s}}
target:
%s
%s
`, name, duration, target, more))
}

const gateOfErrors = "expect: [web.errors < 90%]"

// listen hears which runs make the container WEB, until the test ends.
func (b *bench) listen() {
	b.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	stream := b.engine.Events(ctx, client.EventsListOptions{
		Filters: make(client.Filters).Add("label", container.LabelPart+"="+b.name).Add("event", "create"),
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case m := <-stream.Messages:
				b.mu.Lock()
				b.made = append(b.made, m.Actor.Attributes[container.LabelRun])
				b.mu.Unlock()
			case <-stream.Err:
				return
			}
		}
	}()
	b.Cleanup(func() {
		cancel()
		<-ended
	})
}

// runs are the marks of the runs that made the container WEB, by what the engine told.
func (b *bench) runs() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.made)
}

// left is what the engine holds of a run.
func (b *bench) left(run string) (all []string) {
	b.Helper()
	mine := make(client.Filters).Add("label", container.LabelRun+"="+run)
	containers, err := b.engine.ContainerList(b.Context(), client.ContainerListOptions{All: true, Filters: mine})
	b.no(err)
	for _, c := range containers.Items {
		all = append(all, "container "+c.Names[0])
	}
	networks, err := b.engine.NetworkList(b.Context(), client.NetworkListOptions{Filters: mine})
	b.no(err)
	for _, n := range networks.Items {
		all = append(all, "network "+n.Name)
	}
	volumes, err := b.engine.VolumeList(b.Context(), client.VolumeListOptions{Filters: mine})
	b.no(err)
	for _, v := range volumes.Items {
		all = append(all, "volume "+v.Name)
	}
	return all
}

func (b *bench) no(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// clean wants nothing to be left of any run of this test, of which there was at least one.
func (b *bench) clean() {
	b.Helper()
	if len(b.runs()) == 0 {
		b.Error("the engine tells of no run")
	}
	b.bare()
}

// bare wants nothing to be left of any run of this test.
func (b *bench) bare() {
	b.Helper()
	runs := b.runs()
	for _, run := range runs {
		if left := b.left(run); len(left) > 0 {
			b.Errorf("run %s left %q", run, left)
		}
	}
}

// ends runs the scenario and wants the exit code and words of what it says.
func (b *bench) ends(code int, args []string, words ...string) string {
	b.Helper()
	got, stdout, stderr := built(b.T, checked).runIn(b.T, b.env, args...)
	said := stdout + stderr
	if got != code {
		b.Errorf("exit %d, want %d: %s", got, code, said)
	}
	line := strings.Join(strings.Fields(said), " ")
	for _, w := range words {
		if !strings.Contains(line, w) {
			b.Errorf("%q is not in: %s", w, said)
		}
	}
	return said
}

func (b *bench) record(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) run(file string, more ...string) []string {
	return append([]string{"run", "--out", b.record("record"), file}, more...)
}

// begin starts a run and returns once it said a word.
func (b *bench) begin(file, word string, more ...string) *exec.Cmd {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), string(built(b.T, checked)), b.run(file, more...)...)
	cmd.Env = append(os.Environ(), b.env...)
	said := &waiting{word: word, found: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = said, said
	b.no(cmd.Start())
	select {
	case <-said.found:
	case <-time.After(2 * time.Minute):
		_ = cmd.Process.Kill()
		b.Fatalf("waited in vain for %q: %s", word, said.text())
	}
	b.Cleanup(func() {
		if b.Failed() {
			b.Log(said.text())
		}
	})
	return cmd
}

// waiting is output in which a word is awaited.
type waiting struct {
	word  string
	found chan struct{}
	mu    sync.Mutex
	buf   bytes.Buffer
}

func (w *waiting) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf.Write(p)
	select {
	case <-w.found:
	default:
		if strings.Contains(w.buf.String(), w.word) {
			close(w.found)
		}
	}
	return len(p), nil
}

func (w *waiting) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}
