package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"wringer/reports"
	"wringer/scenarios"
)

// The kernel's settings.
const (
	portRange = "/proc/sys/net/ipv4/ip_local_port_range"
	portReuse = "/proc/sys/net/ipv4/tcp_tw_reuse"
)

// timeWait is how long Linux keeps the port of a closed connection. Where tcp_tw_reuse allows it (2: within the machine), the port is
// reused after a second.
const timeWait = time.Minute

// thisMachine reads the limits. Go has raised the soft limit of files to the hard one.
func thisMachine() scenarios.Machine {
	m := scenarios.Machine{PortRest: timeWait, LoopbackRest: time.Second}
	m.Files = mostFiles()
	var low, high int
	if raw, err := os.ReadFile(portRange); err == nil {
		if n, _ := fmt.Sscan(string(raw), &low, &high); n == 2 && high >= low {
			m.Ports = high - low + 1
		}
	}
	m.Bytes = freeMemory(os.DirFS("/"))
	raw, _ := os.ReadFile(portReuse) // what cannot be read stays as the kernel has it by default
	switch strings.TrimSpace(string(raw)) {
	case "0":
		m.LoopbackRest = timeWait
	case "1":
		m.PortRest = time.Second
	}
	return m
}

// freeMemory is what the system has left, or the limit of the control group around this process where that is less; 0: not known.
func freeMemory(root fs.FS) (free int64) {
	text, _ := fs.ReadFile(root, "proc/meminfo")
	for line := range strings.Lines(string(text)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); n == 1 {
			free = kib << 10
		}
	}
	for _, path := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, _ := fs.ReadFile(root, path)
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit > 0 && free > 0 { // or "max"
			free = min(free, limit)
		}
	}
	return free
}

// tellNeeds prints what a scenario needs of the machine at most.
func tellNeeds(w io.Writer, sc *scenarios.Scenario, m scenarios.Machine) {
	demands := sc.Demands(m)
	if len(demands) == 0 {
		return
	}
	fmt.Fprintln(w, "\nneeds at most, if the target answers nothing")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range demands {
		fmt.Fprintf(table, "  %s\t%d in flight\t%d connections\t%d source ports%s\n", d.Stream, d.InFlight, d.Connections, d.Ports, of(m.Ports))
	}
	table.Flush()
	fmt.Fprintf(w, "  %d open files%s\n", sc.OpenFiles(m), of(m.Files))
	free := ""
	if m.Bytes > 0 {
		free = " of " + reports.Bytes(m.Bytes)
	}
	fmt.Fprintf(w, "  %s of memory%s, an embedded target left out\n", reports.Bytes(sc.Memory(m)), free)
}

func of(limit int) string {
	if limit == 0 {
		return ""
	}
	return " of " + strconv.Itoa(limit)
}

// warnOfNeeds prints what the machine lacks.
func warnOfNeeds(w io.Writer, sc *scenarios.Scenario, m scenarios.Machine) {
	for _, p := range sc.Shortages(m) {
		fmt.Fprintln(w, "warning: "+p.String())
	}
}
