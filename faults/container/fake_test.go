package container_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	moby "github.com/moby/moby/api/types/container"

	"wringer/faults/container"
	"wringer/faults/container/containertest"
)

// Each limit is asked for in the way that the engine takes beside what the container has, and taken back exactly.
func TestRequestsOfLimits(t *testing.T) {
	for name, c := range map[string]struct {
		has          string
		limit, after map[string]int64
	}{
		"none": {`{}`, map[string]int64{"CpuPeriod": 100000, "CpuQuota": 50000, "Memory": 64 << 20, "MemorySwap": 64 << 20},
			map[string]int64{"CpuPeriod": 100000, "CpuQuota": -1, "Memory": 1 << 62, "MemorySwap": 1 << 62}},
		"nano": {`{"NanoCpus": 2000000000, "Memory": 268435456, "MemorySwap": 536870912}`, map[string]int64{"NanoCpus": 500000000, "CpuQuota": 0},
			map[string]int64{"NanoCpus": 2000000000, "CpuQuota": 0, "Memory": 268435456, "MemorySwap": 536870912}},
		"quota": {`{"CpuPeriod": 50000, "CpuQuota": 40000}`, map[string]int64{"CpuPeriod": 50000, "CpuQuota": 25000, "NanoCpus": 0},
			map[string]int64{"CpuPeriod": 50000, "CpuQuota": 40000}},
	} {
		f := containertest.NewFake(t, map[string]string{"GET /containers/x/json": `{"HostConfig": ` + c.has + `}`})
		before, err := f.Engine.Limits(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Engine.Limit(t.Context(), "x", before, 0.5, 64<<20); err != nil {
			t.Fatal(err)
		}
		if err := f.Engine.Restore(t.Context(), "x", before, true, true); err != nil {
			t.Fatal(err)
		}
		for i, want := range []map[string]int64{c.limit, c.after} {
			body, _ := strings.CutPrefix(f.Asked()[i], "POST /containers/x/update ")
			var r moby.Resources
			if err := json.Unmarshal([]byte(body), &r); err != nil {
				t.Fatal(err)
			}
			got := map[string]int64{"NanoCpus": r.NanoCPUs, "CpuPeriod": r.CPUPeriod, "CpuQuota": r.CPUQuota, "Memory": r.Memory, "MemorySwap": r.MemorySwap}
			for key, n := range want {
				if got[key] != n {
					t.Errorf("%s, request %d: %s is %d, not %d", name, i, key, got[key], n)
				}
			}
		}
	}
}

// Podman 4 changes limits by its own API alone, which takes processors as a quota.
func TestLimitsOfPodman(t *testing.T) {
	f := containertest.NewFake(t, map[string]string{"POST /containers/x/update": containertest.Missing})
	for _, c := range []struct {
		has  container.Limits
		want string
	}{
		{container.Limits{}, `{"cpu":{"quota":50000,"period":100000},"memory":{"limit":64,"swap":64}}`},
		{container.Limits{NanoCPUs: 2e9}, `{"cpu":{"quota":50000,"period":100000},"memory":{"limit":64,"swap":64}}`},
	} {
		if err := f.Engine.Limit(t.Context(), "x", c.has, 0.5, 64); err != nil {
			t.Error(err)
		}
		if got := f.Asked()[len(f.Asked())-1]; got != "POST /libpod/containers/x/update "+c.want {
			t.Errorf("asked %s", got)
		}
	}
	f.Set("POST /libpod/containers/x/update", "!no cgroup")
	if err := f.Engine.Limit(t.Context(), "x", container.Limits{}, 0.5, 0); err == nil || !strings.Contains(err.Error(), "cannot change the limits") || !strings.Contains(err.Error(), "no cgroup") {
		t.Errorf("%v", err)
	}
	f.Set("GET /containers/x/json", containertest.Missing)
	if err := f.Engine.Limit(t.Context(), "x", container.Limits{}, 0.5, 0); err == nil || strings.Contains(err.Error(), "cannot change the limits") {
		t.Errorf("of a container that is gone: %v", err)
	}
}

// Podman makes health checks by timers of systemd. Without them wringer asks for each; another engine is asked once whether it is
// Podman.
func TestHealthOfPodman(t *testing.T) {
	const path, starting = "GET /containers/x/json", `{"State": {"Health": {"Status": "starting"}}}`
	for name, c := range map[string]struct {
		answer string
		asked  int
	}{"podman": {"{}", 2}, "docker": {containertest.Missing, 1}} {
		f := containertest.NewFake(t, map[string]string{path: starting, "GET /libpod/containers/x/healthcheck": c.answer})
		for range 2 {
			if err := f.Engine.Healthy(t.Context(), "x"); err == nil {
				t.Errorf("%s: one that starts is healthy", name)
			}
		}
		f.Set(path, `{"State": {"Health": {"Status": "healthy"}}}`)
		if err := f.Engine.Healthy(t.Context(), "x"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := f.Times("GET /libpod/containers/x/healthcheck"); n != c.asked {
			t.Errorf("%s: asked for %d checks, want %d", name, n, c.asked)
		}
	}
}

// What the engine refuses is an error, and not counted as in force.
func TestLimitThatIsRefused(t *testing.T) {
	f := containertest.NewFake(t, map[string]string{
		"GET /containers/x/json": `{"State": {"Running": true}, "HostConfig": {}}`, "GET /info": `{"NCPU": 4}`, "POST /containers/x/update": "!no such limit",
	})
	box := container.New(container.Spec{Engine: f.Engine, ID: "x", Name: "stock"})
	if err := box.LimitCPU(t.Context(), 0.5); err == nil || !strings.Contains(err.Error(), "no such limit") {
		t.Errorf("%v", err)
	}
	if err := box.Ready(t.Context()); err != nil {
		t.Errorf("it is as before, and: %v", err)
	}
	f.Set("POST /containers/x/update", "{}")
	if err := box.LimitCPU(t.Context(), 0.5); err != nil {
		t.Fatal(err)
	}
	if box.Ready(t.Context()) == nil {
		t.Error("its processors are limited, and it is ready")
	}
	if err := box.RestoreCPU(t.Context()); err != nil {
		t.Fatal(err)
	}
	if asked := strings.Join(f.Asked(), "\n"); !strings.Contains(asked, `"CpuQuota":200000`) || !strings.Contains(asked, `"CpuQuota":-1`) {
		t.Errorf("half of 4 processors, and back: %s", asked)
	}
}

// The engine tells a start some time after it. A start that was asked for is no restart, however late it is told.
func TestRestartsAreNotStartsThatWereAskedFor(t *testing.T) {
	f := containertest.NewFake(t, map[string]string{"GET /containers/x/json": `{"State": {"Status": "created"}, "Config": {}}`})
	box := container.New(container.Spec{Engine: f.Engine, ID: "x", Name: "stock"})
	t.Cleanup(func() {
		if err := box.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if err := box.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		box.Started()
		if n := box.Restarts(); n != i {
			t.Errorf("%d starts told, %d restarts", i+1, n)
		}
	}
	box.Died(time.Now(), "139", false)
	if d := box.Deaths(); len(d) != 1 || !strings.Contains(d[0].Text, "exit code 139, signal 11") {
		t.Errorf("%v", d)
	}
}

// What an engine refuses to remove is tried again: Podman removes no container before those that share its namespaces. What is
// refused for good is told, and its output is not awaited.
func TestRemovalThatIsRefused(t *testing.T) {
	f := containertest.NewFake(t, map[string]string{
		"GET /containers/json": `[{"Id": "orders"}, {"Id": "beside"}]`, "GET /networks": "[]", "GET /volumes": "{}",
		"DELETE /containers/x": "!it is in use", "GET /containers/x/json": `{"State": {"Running": true}, "Config": {}}`,
	})
	f.First("DELETE /containers/orders", "!container orders has dependent containers which must be removed before it")
	f.First("DELETE /containers/beside", "!container state improper: stopped")
	if err := f.Engine.RemoveRun(t.Context(), "run"); err != nil {
		t.Error(err)
	}
	if asked := strings.Join(f.Asked(), "\n"); strings.Count(asked, "/containers/orders") != 2 || strings.Count(asked, "/containers/beside") != 2 {
		t.Errorf("%s", asked)
	}
	box := container.New(container.Spec{Engine: f.Engine, ID: "x", Name: "stock"})
	if err := box.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := box.Close(ctx); err == nil || !strings.Contains(err.Error(), "remove container stock: ") || !strings.Contains(err.Error(), "it is in use") {
		t.Errorf("%v", err)
	}
}
