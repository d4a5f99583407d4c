package scenarios

import (
	"strings"

	"wringer/drivers"
)

// checkProbes checks the measurements beside the traffic itself: a witness, and replays.
func (r *reader) checkProbes(n *node, s *Stream) {
	if at := n.get("witness"); at != nil && s.Witness && s.Driver != nil && !r.reportedAt(at) {
		if why := s.unwitnessed(r.lang.driversWith(func(d drivers.Description) bool { return d.Witness })); why != "" {
			r.problem(at, "witness: %s", why)
		}
	}
	if at := n.get("trace"); at != nil && s.Trace.Asked() && s.Driver != nil && !r.reportedAt(at) {
		if why := s.untraced(r.lang.driversWith(func(d drivers.Description) bool { return d.Traces })); why != "" {
			r.problem(at, "trace: %s", why)
		}
	}
	at := n.get("replay")
	if at == nil || s.Replay == nil || r.reportedAt(at) {
		return
	}
	if *s.Replay == 0 || *s.Replay > 1 {
		r.problem(at, "replay: is a share of the acknowledged operations, above 0%% and at most 100%%")
		return
	}
	if why := s.unreplayed(r.lang.driversWith(func(d drivers.Description) bool { return d.Replay })); s.Driver != nil && why != "" {
		r.problem(at, "replay: %s", why)
	}
}

// probes checks again the values that depend on variables, once these are known.
func (r *resolver) probes(s *Stream) {
	at := s.driverAt
	if at == nil {
		at = &node{}
	}
	if why := s.unwitnessed(nil); s.Witness && why != "" {
		r.problem(at, "%s: witness: %s", s.Name, why)
	}
	if s.Trace.Asked() {
		if why := s.untraced(nil); why != "" {
			r.problem(at, "%s: trace: %s", s.Name, why)
		}
	}
	if why := s.unreplayed(nil); s.Replay != nil && why != "" {
		r.problem(at, "%s: replay: %s", s.Name, why)
	}
}

// unwitnessed is the reason why no witness can stand behind the stream, empty when one can. able are the drivers that work with
// a witness.
func (s *Stream) unwitnessed(able []string) string {
	if d := s.Describe(); d.Witness {
		return d.NoWitness
	}
	return notOffered(able, s.DriverName)
}

// unreplayed is the reason why the stream's operations cannot be replayed, empty when they can. able are the drivers that
// replay.
func (s *Stream) unreplayed(able []string) string {
	if d := s.Describe(); d.Replay {
		return d.NoReplay
	}
	return notOffered(able, s.DriverName)
}

// notOffered reports that a driver lacks something, and lists the drivers that have it, if known.
func notOffered(able []string, driver string) string {
	if len(able) == 0 {
		return "does not work with " + driver + "; remove it"
	}
	return "works with " + strings.Join(able, " and ") + ", not with " + driver + "; remove it"
}

// checkLocalAddrs: connections that leave from addresses of their own cannot go through a link, which makes its own. The faults are
// planned.
func (r *reader) checkLocalAddrs(s *Scenario) {
	for i := range s.Traffic {
		t := &s.Traffic[i]
		if t.Driver == nil || len(t.Describe().LocalAddrs) == 0 || !t.Witness && !s.Linked(t.Name) {
			continue
		}
		r.problem(t.driverAt.find("connection.source"), "%s: its connections leave from addresses of their own, and a link or a witness makes its own "+
			"connections; remove one of the two", t.Name)
	}
}
