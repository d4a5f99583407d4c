package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"wringer/faults/container"
	"wringer/reports"
	"wringer/scenarios/containers/imagetest"
)

// bench is one test on a real engine.
type bench struct {
	*testing.T
	engine *container.Engine
	dir    string
	name   string // of the container web: nobody else's

	mu   sync.Mutex
	made []string
}

// onEngine begins a test on a real engine, and skips it where none answers.
func onEngine(t *testing.T) *bench {
	t.Helper()
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
	got, stdout, stderr := wringer(b.T, args...)
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

func TestContainersThatDoNotStart(t *testing.T) {
	for name, c := range map[string]struct {
		entry string
		words []string
		made  bool
	}{
		"ended": {`{image: IMAGE, ports: [8080], command: [exit, "3", the database is gone]}`,
			[]string{"WEB ended before it was ready: exit code 3", "its last lines: the database is gone"}, true},
		"not ready": {`{image: IMAGE, ports: [8080], env: {TOOL_READY_AFTER: 1h}, ready: {http: /healthz, within: 1s}}`,
			[]string{"WEB is not ready after 1s", "503 Service Unavailable", "its last lines: tool ready"}, true},
		"no command": {`{image: IMAGE, ports: [8080], entrypoint: [/nothing]}`,
			[]string{"start container WEB", "/nothing"}, true},
		"missing image": {`{image: "127.0.0.1:1/absent:1", ports: [8080]}`,
			[]string{"image 127.0.0.1:1/absent:1 of container WEB", "cannot be pulled", "build or load it, or log in to its registry"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := onEngine(t)
			file := b.scenario("s", "1s", "  containers:\n    WEB: "+c.entry, gateOfErrors)
			for i := range c.words {
				c.words[i] = strings.ReplaceAll(c.words[i], "WEB", b.name)
			}
			b.ends(reports.ExitHarness, b.run(file), c.words...)
			if _, err := os.Stat(b.record("record")); err == nil {
				t.Error("a record is left of a run that did not begin")
			}
			if c.made {
				b.clean()
			}
		})
	}
}

// Without an engine a run says so at once.
func TestContainersWithoutEngine(t *testing.T) {
	scenario(t, light)
	hangs, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hangs.Close()
	for _, host := range []string{"unix:///nowhere.sock", "tcp://127.0.0.1:1", "tcp://" + hangs.Addr().String(), "ssh://nowhere"} {
		b := &bench{T: t, dir: t.TempDir(), name: "web"}
		file := b.scenario("s", "1s", "  containers: {web: {image: none, ports: [8080]}}", gateOfErrors)
		cmd := exec.Command(string(built(t, checked)), b.run(file)...)
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+host)
		out, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != reports.ExitHarness {
			t.Errorf("%s: %v", host, err)
		}
		for _, want := range []string{"no container engine answers", host, "DOCKER_HOST"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: %q is not in: %s", host, want, out)
			}
		}
	}
}

// begin starts a run and returns once it said a word.
func (b *bench) begin(file, word string, more ...string) *exec.Cmd {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), string(built(b.T, checked)), b.run(file, more...)...)
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

// An interrupt heals and removes everything, whatever the run was doing.
func TestContainersInterrupted(t *testing.T) {
	// A registry that takes connections and says nothing.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for name, c := range map[string]struct{ entry, more, word string }{
		"pull":  {`{image: "` + silent.Addr().String() + `/a:1", ports: [8080]}`, gateOfErrors, "pull " + silent.Addr().String()},
		"build": {`{build: image, ports: [8080]}`, gateOfErrors, "build WEB"},
		"start": {`{image: IMAGE, ports: [8080], env: {TOOL_READY_AFTER: 1h}, ready: {http: /healthz, within: 5m}}`, gateOfErrors, "start WEB"},
		"run": {`{image: IMAGE, ports: [8080]}`,
			gateOfErrors + "\nfaults: [{name: frozen, at: 500ms, for: 50s, pause: WEB}]", "frozen"},
	} {
		t.Run(name, func(t *testing.T) {
			b := onEngine(t)
			b.write("image/Dockerfile", "FROM IMAGE\nRUN [\"/tool\"]\n") // it serves, and never ends
			file := b.scenario("s", "60s", "  containers:\n    WEB: "+c.entry, c.more)
			cmd := b.begin(file, strings.ReplaceAll(c.word, "WEB", b.name))
			b.no(cmd.Process.Signal(os.Interrupt))
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != reports.ExitInterrupted {
				t.Errorf("exit %d", code)
			}
			b.bare()
		})
	}
}

// A run that was killed leaves its containers, and cleanup removes them.
func TestContainersAfterKill(t *testing.T) {
	b := onEngine(t)
	b.write("compose.yaml", `services:
  WEB: {image: IMAGE, ports: ["8080:8080"], volumes: ["data:/data", "/cache"], networks: [back, default]}
networks: {back: {}}
volumes: {data: {}}
`)
	file := b.scenario("s", "60s", "  compose: {file: compose.yaml}", gateOfErrors+"\nfaults: [{name: frozen, at: 500ms, for: 50s, pause: WEB}]")
	cmd := b.begin(file, "frozen")
	b.no(cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait()
	runs := b.runs()
	if len(runs) != 1 {
		t.Fatalf("runs %q", runs)
	}
	left := b.left(runs[0])
	kinds := map[string]bool{}
	for _, l := range left {
		kind, _, _ := strings.Cut(l, " ")
		kinds[kind] = true
	}
	if len(kinds) != 3 || len(left) < 4 {
		t.Errorf("a killed run left %q", left)
	}
	b.ends(0, []string{"cleanup", b.record("record")}, "undone: containers, networks and volumes of run "+runs[0])
	b.clean()
	b.ends(0, []string{"cleanup", b.record("record")}, "nothing was left behind")
}

// Two runs of the same scenario at once do not see each other.
func TestContainersSideBySide(t *testing.T) {
	b := onEngine(t)
	b.write("compose.yaml", `services:
  WEB: {image: IMAGE, container_name: the-web, ports: ["18080:8080"], volumes: ["data:/data"]}
volumes: {data: {}}
`)
	file := b.scenario("s", "15s", "  compose: {file: compose.yaml}", "expect: [web.errors < 1% during baseline]\nfaults: [{name: away, at: 1s, for: 10s, kill: WEB}]")
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			code, stdout, stderr := wringer(t, "run", "--out", b.record(fmt.Sprint("record", i)), file)
			if code != reports.ExitPass {
				t.Errorf("run %d: exit %d: %s%s", i, code, stdout, stderr)
			}
		})
	}
	all.Wait()
	if runs := b.runs(); len(runs) != 2 || runs[0] == runs[1] {
		t.Errorf("runs %q", runs)
	}
	b.clean()
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A container that ends by itself fails the run, however it ends, unless it may.
func TestContainersThatEnd(t *testing.T) {
	for name, c := range map[string]struct {
		entry, request string
		code           int
		words          []string
	}{
		"exit": {`{image: IMAGE, ports: [8080]}`, "GET http://${WEB.8080}/exit?code=7", reports.ExitFail,
			[]string{"WEB ended by itself: exit code 7; its last lines: tool ready"}},
		"out of memory": {`{image: IMAGE, ports: [8080], memory: 40MiB}`, "GET http://${WEB.8080}/memory?mb=200", reports.ExitFail,
			[]string{"WEB ended by itself: exit code", "out of memory"}},
		// Its stream has no answer, so that the run is inconclusive, and no failure.
		"may end": {`{image: IMAGE, ports: [8080], may_end: true}`, "GET http://${WEB.8080}/exit?code=7", reports.ExitInconclusive,
			[]string{"WEB ended by itself: exit code 7"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := onEngine(t)
			file := b.write("s.yaml", fmt.Sprintf(`name: ends
seed: 1
run: {duration: 2s, drain: 200ms}
traffic:
  web: {rest: {request: "GET http://${db.8080}/healthz"}, rate: 10/s}
  end: {rest: {request: "%s"}, rate: 2/s, timeout: 1s}
target:
  containers:
    WEB: %s
    db: {image: IMAGE, ports: [8080]}
expect: [web.errors < 90%%]
`, c.request, c.entry))
			for i := range c.words {
				c.words[i] = strings.ReplaceAll(c.words[i], "WEB", b.name)
			}
			b.ends(c.code, b.run(file), c.words...)
			b.clean()
		})
	}
}

func TestContainersKeptAndUsedAgain(t *testing.T) {
	b := onEngine(t)
	target := `  containers:
    WEB: {image: IMAGE, ports: [8080], env_file: web.env, needs: [db]}
    db: {image: IMAGE, ports: [8081]}`
	b.write("web.env", "COLOUR=red\n")
	more := gateOfErrors + "\nlinks: {WEB->db: {ports: [8081]}}\nfaults: [{name: slow, at: 200ms, for: 500ms, link: WEB->db, latency: 10ms}]"
	file := b.scenario("s", "1s", target, more)
	defer func() {
		for _, run := range b.runs() {
			b.no(b.engine.RemoveRun(context.WithoutCancel(b.Context()), run))
		}
	}()
	_, _, said := wringer(t, "run", "--keep", "--out", b.record("r1"), file)
	if !strings.Contains(said, "kept:") || !strings.Contains(said, "remove with: wringer cleanup "+b.record("r1")) {
		t.Errorf("--keep says %s", said)
	}
	if runs := b.runs(); len(runs) != 1 || len(b.left(runs[0])) < 4 {
		t.Fatalf("kept %q", runs)
	}
	id := b.id()
	// Paused by hand: the next run resumes it.
	_, err := b.engine.ContainerPause(t.Context(), id, client.ContainerPauseOptions{})
	b.no(err)
	// Of two runs at once one has what is kept; the other starts anew.
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() { _, _, _ = wringer(t, "run", "--reuse", "--out", b.record(fmt.Sprint("r2", i)), file) })
	}
	all.Wait()
	if runs := b.runs(); len(runs) != 2 {
		t.Errorf("two runs at once were on %q", runs)
	}
	// Other contents of a file start anew.
	b.write("web.env", "COLOUR=green\n")
	_, _, said = wringer(t, "run", "--reuse", "--out", b.record("r3"), file)
	if runs := b.runs(); len(runs) != 3 {
		t.Errorf("a changed file: runs %q: %s", runs, said)
	}
	// A container that is gone is named.
	last := b.runs()[2]
	containers, err := b.engine.ContainerList(t.Context(), client.ContainerListOptions{
		Filters: make(client.Filters).Add("label", container.LabelRun+"="+last).Add("label", container.LabelPart+"=db"),
	})
	b.no(err)
	if len(containers.Items) != 1 {
		t.Fatalf("containers %v", containers.Items)
	}
	_, err = b.engine.ContainerRemove(t.Context(), containers.Items[0].ID, client.ContainerRemoveOptions{Force: true})
	b.no(err)
	b.ends(reports.ExitHarness, []string{"run", "--reuse", "--out", b.record("r4"), file}, "these containers are gone: db", "wringer cleanup")
	for _, r := range []string{"r1", "r20", "r21", "r3"} {
		code, out, errs := wringer(t, "cleanup", b.record(r))
		if code != 0 {
			t.Errorf("cleanup %s: %s%s", r, out, errs)
		}
	}
	b.clean()
}

// id is the identity of the container WEB.
func (b *bench) id() string {
	b.Helper()
	all, err := b.engine.ContainerList(b.Context(), client.ContainerListOptions{Filters: make(client.Filters).Add("label", container.LabelPart+"="+b.name)})
	b.no(err)
	if len(all.Items) == 0 {
		b.Fatal("no such container")
	}
	return all.Items[0].ID
}

// What a container is given arrives in it.
func TestContainersGetWhatIsAsked(t *testing.T) {
	b := onEngine(t)
	b.write("image/Dockerfile", `FROM IMAGE AS base
FROM scratch AS other
COPY --from=base /tool /tool
ENTRYPOINT ["/nothing"]
FROM scratch AS wanted
ARG WHO
COPY --from=base /tool /tool
ENV WHO=$WHO
ENTRYPOINT ["/tool"]
FROM other
`)
	b.write("web.env", "# of the file\nFROM_FILE=1\nBOTH=file\n")
	b.write("web.conf", "the configuration")
	file := b.scenario("s", "1s", `  containers:
    WEB:
      build: image
      stage: wanted
      build_args: {WHO: "${ACTOR}"}
      env_file: web.env
      env: {BOTH: env, PEER: "${db.8081}"}
      files: {/etc/web.conf: web.conf}
      hosts: {stock: 10.1.2.3}
      cpus: 0.5
      memory: 64MiB
      tmpfs: {/data: 8m}
      ports: [8080]
      needs: [db, slow]
      ready: {log: "tool ready"}
    db: {image: IMAGE, ports: [8081], replicas: 2}
    slow: {image: IMAGE, ports: [8080], env: {TOOL_READY_AFTER: 1s}, ready: {http: /healthz}}`, gateOfErrors)
	defer func() {
		for _, run := range b.runs() {
			b.no(b.engine.RemoveRun(context.WithoutCancel(b.Context()), run))
		}
	}()
	b.ends(reports.ExitPass, []string{"run", "--keep", "--set", "ACTOR=me", "--out", b.record("record"), file})
	inspected, err := b.engine.ContainerInspect(t.Context(), b.id(), client.ContainerInspectOptions{})
	b.no(err)
	host := inspected.Container.HostConfig
	if host.NanoCPUs != 5e8 || host.Memory != 64<<20 || host.Tmpfs["/data"] != "size=8m" {
		t.Errorf("limits: %d CPUs, %d bytes, tmpfs %v", host.NanoCPUs, host.Memory, host.Tmpfs)
	}
	var address string
	for _, bindings := range host.PortBindings {
		address = net.JoinHostPort("127.0.0.1", bindings[0].HostPort)
	}
	env := get(t, "http://"+address+"/env")
	for _, want := range []string{"WHO=me", "FROM_FILE=1", "BOTH=env", "PEER=db-1:8081"} {
		if !slices.Contains(strings.Split(env, "\n"), want) {
			t.Errorf("%s is not in the environment: %s", want, env)
		}
	}
	if hosts := get(t, "http://"+address+"/hosts"); !strings.Contains(hosts, "10.1.2.3\tstock") {
		t.Errorf("hosts: %s", hosts)
	}
	if answer := get(t, "http://"+address+"/dial?to=db-2:8081&say=hello"); !strings.Contains(answer, `"answer":"hello"`) {
		t.Errorf("the second replica answers %s", answer)
	}
	if answer := get(t, "http://"+address+"/fill?dir=/data&mb=20"); !strings.Contains(answer, "no space left") {
		t.Errorf("a folder of 8 MiB took 20: %s", answer)
	}
	for _, file := range []string{b.name, "db-1", "db-2", "slow"} {
		if text := readFile(t, filepath.Join(b.record("record"), "output", file+".log")); !strings.Contains(text, "tool ready") {
			t.Errorf("the output of %s is %q", file, text)
		}
	}
	b.ends(0, []string{"cleanup", b.record("record")})
	b.clean()
	image := inspected.Container.Config.Image
	if _, err := b.engine.ImageInspect(t.Context(), image); err != nil || !strings.HasPrefix(image, "wringer-built/"+b.name) {
		t.Errorf("the built image %s is no cache: %v", image, err)
	}
	_, err = b.engine.ImageRemove(t.Context(), image, client.ImageRemoveOptions{})
	b.no(err)
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return string(text)
}
