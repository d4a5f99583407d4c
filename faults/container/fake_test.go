package container_test

import (
	"encoding/json"
	"strings"
	"testing"

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
