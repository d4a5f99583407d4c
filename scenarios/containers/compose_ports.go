package containers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// ports are the TCP ports of a service that this process reaches. The engine publishes none of a container that is in internal
// networks alone.
func (c *Compose) ports(n string) []uint16 {
	mode := c.project.Services[n].NetworkMode
	if c.enclosed(n) || mode == "none" || strings.HasPrefix(mode, types.NetworkModeServicePrefix) {
		return nil
	}
	var all []uint16
	for _, p := range c.project.Services[n].Ports {
		if port := uint16(p.Target); (p.Protocol == "" || p.Protocol == "tcp") && !slices.Contains(all, port) {
			all = append(all, port)
		}
	}
	for _, text := range c.project.Services[n].Expose {
		ports, _ := exposed(text) // a problem of the file
		for _, port := range ports {
			if !slices.Contains(all, port) {
				all = append(all, port)
			}
		}
	}
	return all
}

// enclosed says that all networks of a service are internal: nothing outside reaches it, and it reaches nothing outside.
func (c *Compose) enclosed(n string) bool {
	networks := c.project.Services[n].Networks
	for network := range networks {
		if !c.project.Networks[network].Internal {
			return false
		}
	}
	return len(networks) > 0
}

// exposed reads an entry of expose, which may be a range: 3000-3005/tcp. There are none of another protocol.
func exposed(text string) (all []uint16, err error) {
	numbers, protocol, _ := strings.Cut(text, "/")
	first, last, several := strings.Cut(numbers, "-")
	if !several {
		last = first
	}
	from, err := strconv.ParseUint(first, 10, 16)
	to, second := strconv.ParseUint(last, 10, 16)
	if err != nil || second != nil || from == 0 || to < from {
		return nil, fmt.Errorf("expose: %q is no port", text)
	}
	if protocol != "" && protocol != "tcp" {
		return nil, nil
	}
	for port := from; port <= to; port++ {
		all = append(all, uint16(port))
	}
	return all, nil
}
