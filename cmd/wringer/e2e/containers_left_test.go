package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"wringer/faults"
	"wringer/faults/container"
	"wringer/reports"
)

// A run that was killed leaves its containers and what its faults did, and cleanup undoes both.
func TestContainersAfterKill(t *testing.T) {
	slow(t)
	for name, c := range map[string]struct {
		target, more, undone string
		kinds                int // of what is left: containers, networks, volumes
		elsewhere            bool
	}{
		"compose": {"  compose: {file: compose.yaml}", "faults: [{name: broken, at: 500ms, for: 50s, pause: WEB}]", "containers", 3, false},
		"containers": {`  containers:
    WEB: {image: IMAGE, ports: [8080], needs: [db]}
    db: {image: IMAGE, ports: [8080]}`,
			"links: {WEB->db: {ports: [8080]}}\nfaults: [{name: broken, at: 500ms, for: 50s, partition: {from: db, to: WEB}}]",
			"packets from db to WEB are dropped", 2, false},
		"elsewhere": {"  containers: {WEB: {image: IMAGE, ports: [8080], tmpfs: {/data: 4m}}}",
			"faults: [{name: broken, at: 500ms, for: 50s, fill: {container: WEB, dir: /data}}]", "fill /data of WEB", 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := onEngine(t)
			if c.elsewhere { // its faults act by sidecars, and so does the undoing
				b.env = []string{"WRINGER_ENGINE=elsewhere", "WRINGER_RELAY=" + string(built(t, static))}
			}
			b.write("compose.yaml", `services:
  WEB: {image: IMAGE, ports: ["8080:8080"], volumes: ["data:/data", "/cache"], networks: [back, default]}
networks: {back: {}}
volumes: {data: {}}
`)
			file := b.scenario("s", "60s", c.target, gateOfErrors+"\n"+c.more)
			cmd := b.begin(file, "broken")
			undone := strings.ReplaceAll(c.undone, "WEB", b.name)
			for journal := filepath.Join(b.record("record"), faults.JournalFile); !strings.Contains(readFile(t, journal), undone); {
				time.Sleep(50 * time.Millisecond) // the window is told before the fault is in force
			}
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
			if len(kinds) != c.kinds || len(left) < 3 {
				t.Errorf("a killed run left %q", left)
			}
			b.ends(0, []string{"cleanup", b.record("record")}, "undone: containers, networks and volumes of run "+runs[0], "undone: "+undone)
			b.clean()
			b.ends(0, []string{"cleanup", b.record("record")}, "nothing was left behind")
		})
	}
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
