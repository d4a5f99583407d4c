package scenarios

import (
	"wringer/drivers"
)

// checkProbes checks what is asked for beside the traffic itself: a witness, and replays.
func (r *reader) checkProbes(n *node, s *Stream) {
	if at := n.get("witness"); at != nil && s.Witness && s.Driver != nil && !r.told(at) {
		if why := s.unwitnessed(); why != "" {
			r.problem(at, "witness: %s", why)
		}
	}
	at := n.get("replay")
	if at == nil || s.Replay == nil || r.told(at) {
		return
	}
	switch {
	case *s.Replay == 0 || *s.Replay > 1:
		r.problem(at, "replay: is a share of the acknowledged operations, above 0%% and at most 100%%")
	case s.Driver != nil && s.unreplayed() != "":
		r.problem(at, "replay: %s", s.unreplayed())
	}
}

// probes checks once more what depends on variables that had no value before.
func (r *resolver) probes(s *Stream) {
	at := s.driverAt
	if at == nil {
		at = &node{}
	}
	if why := s.unwitnessed(); s.Witness && why != "" {
		r.problem(at, "%s: witness: %s", s.Name, why)
	}
	if why := s.unreplayed(); s.Replay != nil && why != "" {
		r.problem(at, "%s: replay: %s", s.Name, why)
	}
}

// unwitnessed says why no witness can stand behind the stream, empty when one can.
func (s *Stream) unwitnessed() string {
	w, ok := s.Driver.(drivers.Witnessable)
	if !ok {
		return "reads HTTP and gRPC, and not " + s.DriverName + ": take it away"
	}
	if err := w.Witnessable(); err != nil {
		return err.Error()
	}
	return ""
}

// unreplayed says why the stream's operations cannot be replayed, empty when they can.
func (s *Stream) unreplayed() string {
	p, ok := s.Driver.(drivers.Replayable)
	if !ok {
		return "an Idempotency-Key is a header of HTTP requests, so replay goes with rest, and not " + s.DriverName + ": take it away"
	}
	if err := p.Replayable(); err != nil {
		return err.Error()
	}
	return ""
}
