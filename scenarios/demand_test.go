package scenarios

import (
	"strings"
	"testing"
	"time"
)

var testMachine = Machine{Files: 5000, Ports: 28232, PortRest: time.Minute, LoopbackRest: time.Second}

func TestDemands(t *testing.T) {
	s := mustParse(t, `name: s
run: {duration: 10s}
traffic:
  open: {rest: {request: "GET http://10.0.0.1/"}, rate: 100/s, timeout: 2s}
  bounded: {rest: {request: "GET http://10.0.0.1/"}, rate: 1000/s, max_in_flight: 300}
  retried: {rest: {request: "GET http://10.0.0.1/"}, rate: 10/s, timeout: 1s, retry: {attempts: 5}}
  ended: {rest: {request: "GET http://10.0.0.1/"}, rate: 10/s, timeout: 1s, retry: {attempts: 5}, deadline: 2s}
  steps: {rest: {request: "GET http://10.0.0.1/"}, rate: {steps: [{rate: 1/s, for: 1s}, {rate: 7/s}]}, timeout: 1s}
  users: {rest: {request: "GET http://10.0.0.1/"}, users: 40}
  most: {rest: {request: "GET http://10.0.0.1/"}, rate: max}
faults: [{name: f, link: users, latency: 1ms, at: 1s, for: 1s}]
expect: [open.errors < 1%]
`)
	want := map[string]Demand{
		"open":    {InFlight: 200, Connections: 200, Ports: 200, Files: 200},
		"bounded": {InFlight: 300, Connections: 300, Ports: 300, Files: 300},
		"retried": {InFlight: 50, Connections: 50, Ports: 50, Files: 50},
		"ended":   {InFlight: 20, Connections: 20, Ports: 20, Files: 20},
		"steps":   {InFlight: 7, Connections: 7, Ports: 7, Files: 7},
		"users":   {InFlight: 40, Connections: 40, Ports: 40, Files: 120},
		"most":    {InFlight: 64, Connections: 64, Ports: 64, Files: 64},
	}
	files := spareFiles
	for _, d := range s.Demands(testMachine) {
		w := want[d.Stream]
		w.Stream, w.Bytes = d.Stream, int64(w.InFlight)*bytesInFlight
		if d != w {
			t.Errorf("got %+v, want %+v", d, w)
		}
		files += d.Files
	}
	if got := s.OpenFiles(testMachine); got != files {
		t.Errorf("%d open files, want %d", got, files)
	}
	if got := s.Shortages(testMachine); len(got) > 0 {
		t.Errorf("the machine has all: %v", got)
	}
	m := testMachine
	m.Files, m.Ports = files-1, 250
	m.Bytes = s.Memory(m) - 1
	if want := int64(spareBytes + 681*bytesInFlight); m.Bytes != want-1 {
		t.Errorf("%d bytes, want %d", m.Bytes+1, want)
	}
	got := Problems(s.Shortages(m)).Error()
	for _, part := range []string{"t.yaml:5:19: bounded: may need 300 source ports to one address, and there are 250: ", "may need 825 open files, and this process may open 824: raise the hard limit"} {
		if !strings.Contains(got, part) || !strings.Contains(got, " of memory, and ") {
			t.Errorf("%q is missing in\n%s", part, got)
		}
	}
	if n := strings.Count(got, "\n"); n != 2 {
		t.Errorf("%d more lines than the first:\n%s", n, got)
	}
	if got := s.Shortages(Machine{}); len(got) > 0 {
		t.Errorf("nothing is known of the machine: %v", got)
	}
}
