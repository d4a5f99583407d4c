// Package packets counts and drops packets in the network namespace of a container.
package packets

import (
	"net/netip"
	"strings"

	"wringer/faults/container/sidecar"
)

// Rule counts the packets of one kind. Exactly one of From, To and Question is set.
type Rule struct {
	// From is the source of packets that arrive.
	From netip.Addr `json:"from,omitzero"`
	// To is the destination of packets that leave.
	To netip.Addr `json:"to,omitzero"`
	// Question is the name that DNS questions ask for, over UDP or at the begin of a TCP connection's data.
	Question string `json:"question,omitempty"`
	// Drop says that the packets are dropped.
	Drop bool `json:"drop,omitempty"`
}

// Tally is what one rule has counted.
type Tally struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// Table names rules of one namespace.
type Table struct {
	Name  string `json:"name"`
	Rules []Rule `json:"rules,omitempty"`
}

// arriving says that the rules look at packets that arrive. Those of one table all arrive or all leave.
func (t Table) arriving() bool { return len(t.Rules) > 0 && t.Rules[0].From.IsValid() }

// question is a name as DNS encodes it (RFC 1035, section 3.1); nil for what is no name.
func question(name string) []byte {
	var out []byte
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if len(label) == 0 || len(label) > 63 {
			return nil
		}
		out = append(append(out, byte(len(label))), label...)
	}
	return append(out, 0)
}

// Own is the namespace of this process, in place of a pid.
const Own = 0

// Calls are this package's calls on the namespace of a process.
func Calls(pid int) sidecar.Calls {
	return sidecar.Calls{
		CallReachable: sidecar.Typed(func(Table) (any, error) { return nil, Reachable(pid) }),
		CallInstall:   sidecar.Typed(func(t Table) (any, error) { return nil, Install(pid, t) }),
		CallCounters:  sidecar.Typed(func(t Table) (any, error) { return Counters(pid, t.Name) }),
		CallExists:    sidecar.Typed(func(t Table) (any, error) { return Exists(pid, t.Name) }),
		CallRemove:    sidecar.Typed(func(t Table) (any, error) { return nil, Remove(pid, t.Name) }),
	}
}

// The names of the calls.
const (
	CallReachable = "packets.reachable"
	CallInstall   = "packets.install"
	CallCounters  = "packets.counters"
	CallExists    = "packets.exists"
	CallRemove    = "packets.remove"
)
