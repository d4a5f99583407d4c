package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"wringer/faults/container"
	"wringer/reports"
)

func TestContainersThatDoNotStart(t *testing.T) {
	slow(t)
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
	for host, why := range map[string]string{
		"unix:///nowhere.sock": "no such file", "tcp://127.0.0.1:1": "refused", "ssh://nowhere": "ssh",
		"tcp://" + hangs.Addr().String(): "does not answer within 2s",
	} {
		b := &bench{T: t, dir: t.TempDir(), name: "web"}
		file := b.scenario("s", "1s", "  containers: {web: {image: none, ports: [8080]}}", gateOfErrors)
		cmd := exec.Command(string(built(t, checked)), b.run(file)...)
		cmd.Env = append(os.Environ(), "DOCKER_HOST="+host)
		out, err := cmd.CombinedOutput()
		if err == nil || cmd.ProcessState.ExitCode() != reports.ExitHarness {
			t.Errorf("%s: %v", host, err)
		}
		for _, want := range []string{"no container engine answers", host, "DOCKER_HOST", why} {
			if !strings.Contains(string(out), want) {
				t.Errorf("%s: %q is not in: %s", host, want, out)
			}
		}
	}
}

// An interrupt heals and removes everything, whatever the run was doing.
func TestContainersInterrupted(t *testing.T) {
	slow(t)
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
	slow(t)
	for name, c := range map[string]struct {
		entry, request string
		code           int
		words          []string
	}{
		"exit": {`{image: IMAGE, ports: [8080]}`, "GET http://${WEB.8080}/exit?code=7", reports.ExitFail,
			[]string{"WEB ended by itself: exit code 7; its last lines: tool ready"}},
		"out of memory": {`{image: IMAGE, ports: [8080], memory: 40MiB}`, "GET http://${WEB.8080}/memory?mb=200", reports.ExitFail,
			[]string{"WEB ended by itself: exit code", "out of memory"}},
		// A process in it ends, and it goes on: told, and no failure of the run.
		"child out of memory": {`{image: IMAGE, ports: [8080], memory: 40MiB}`, "GET http://${WEB.8080}/child?mb=200", reports.ExitPass,
			[]string{"container WEB: the kernel ended", "in it for want of memory, and the container went on"}},
		// Its stream has no answer, so that the run is inconclusive, and no failure.
		"may end": {`{image: IMAGE, ports: [8080], may_end: true}`, "GET http://${WEB.8080}/exit?code=7", reports.ExitInconclusive,
			[]string{"WEB ended by itself: exit code 7"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := onEngine(t)
			file := b.write("s.yaml", fmt.Sprintf(`name: ends
seed: 1
run: {duration: 2s, drain: 200ms, max_lag: 10s}
traffic:
  web: {rest: {request: "GET http://${db.8080}/healthz"}, rate: 10/s}
  end: {rest: {request: "%s"}, rate: 2/s, timeout: 60s} # a busy kernel takes seconds to end a process
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
	if host.NanoCPUs != 5e8 || host.Memory != 64<<20 || !strings.HasPrefix(host.Tmpfs["/data"], "size=8m") {
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
	if _, err := b.engine.ImageInspect(t.Context(), image); err != nil || !strings.Contains(image, "wringer-built/"+b.name) {
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
