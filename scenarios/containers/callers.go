package containers

import (
	"slices"

	"wringer/faults/container"
)

// others are the parts that may call a service: those in other networks send nothing to it, and one that shares its network reaches
// it by the loopback.
func (t *target) others(s *Service) (all []*container.Container) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.started {
		if n != s.Name && !t.joined[n] {
			all = append(all, t.parts[n])
		}
	}
	return all
}

// ownNames are the names by which each service is reached, but for those that several have.
func ownNames(services []Service) map[string][]string {
	owners := make(map[string]int)
	names := make(map[string][]string, len(services))
	for i := range services {
		s := &services[i]
		all := append([]string{s.Name}, s.Aliases...)
		for _, more := range s.Networks {
			all = append(all, more...)
		}
		slices.Sort(all)
		names[s.Name] = slices.Compact(all)
		for _, n := range names[s.Name] {
			owners[n]++
		}
	}
	for of, all := range names {
		names[of] = slices.DeleteFunc(all, func(n string) bool { return owners[n] > 1 })
	}
	return names
}
