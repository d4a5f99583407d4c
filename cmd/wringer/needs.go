package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

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
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil {
		m.Files = int(min(uint64(files.Max), 1<<31-1))
	}
	var low, high int
	if raw, err := os.ReadFile(portRange); err == nil {
		if n, _ := fmt.Sscan(string(raw), &low, &high); n == 2 && high >= low {
			m.Ports = high - low + 1
		}
	}
	raw, _ := os.ReadFile(portReuse) // what cannot be read stays as the kernel has it by default
	switch strings.TrimSpace(string(raw)) {
	case "0":
		m.LoopbackRest = timeWait
	case "1":
		m.PortRest = time.Second
	}
	return m
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
