package containers

import (
	"errors"

	"wringer/faults/container"
	"wringer/faults/process"
	"wringer/scenarios"
)

// published are the ports of the engine's machine, by part and port.
type published map[string]map[uint16]uint16

// publish chooses a port of the engine's machine for every port of the services. The numbers stay when a container is started
// again.
func (p *prepared) publish(services []Service) (published, error) {
	if p.adopted != nil {
		return p.standing(services)
	}
	total := 0
	for i := range services {
		total += len(services[i].Ports)
	}
	out := make(published, len(services))
	if total == 0 {
		return out, nil
	}
	next, err := process.Ports(total)
	if err != nil {
		return nil, err
	}
	for i := range services {
		s := &services[i]
		out[s.Name] = make(map[uint16]uint16, len(s.Ports))
		for _, port := range s.Ports {
			out[s.Name][port] = uint16(next)
			next++
		}
	}
	return out, nil
}

// portTries bounds how often a target starts because something else took one of its ports.
const portTries = 3

// withFreePorts starts a target. Something else may take a port between its choice and its use, above all while images are pulled.
// Then all starts anew with other ports: brokers have told their clients the old ones.
func (p *prepared) withFreePorts(env scenarios.TargetEnv, begin func() (*target, error)) (scenarios.Target, error) {
	for try := 1; ; try++ {
		t, err := begin()
		switch {
		case err == nil:
			return t, nil
		case try == portTries || p.adopted != nil || !errors.Is(err, container.ErrPortTaken):
			return nil, err
		}
		env.Report(scenarios.StartStep{Verb: "choose", What: "other ports, because something else took one"})
	}
}
