package amqp

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"wringer/drivers"
)

var (
	_ drivers.Peers    = (*Driver)(nil)
	_ drivers.Branched = (*Config)(nil)
)

// A node of a cluster is named by its place in the URL: node-1 is the first. Its own host:port names it too.
const nodePrefix = "node-"

func nodeName(i int) string { return nodePrefix + strconv.Itoa(i+1) }

// CheckBranch implements drivers.Branched.
func (c *Config) CheckBranch(text string) error { return checkBranch(c.URL, text) }

func checkBranch(url, text string) error {
	address, err := parseAddress(url)
	if err != nil || holdsVariable(url) {
		return nil // the nodes are not known yet
	}
	_, err = address.resolve(text)
	return err
}

// resolve returns the name of the node that a branch means.
func (a *address) resolve(text string) (string, error) {
	if i := slices.Index(a.nodes, text); i >= 0 {
		return nodeName(i), nil
	}
	if number, ok := strings.CutPrefix(text, nodePrefix); ok {
		if n, err := strconv.Atoi(number); err == nil && n >= 1 && n <= len(a.nodes) && nodeName(n-1) == text {
			return text, nil
		}
	}
	return "", fmt.Errorf("%q is no node: write node-1 to node-%d, in the order of the url, or one of %s", text, len(a.nodes), strings.Join(a.nodes, ", "))
}

// peers are the nodes of the URL: no broker is asked.
func (a *address) peers() map[string]string {
	all := make(map[string]string)
	for i, node := range a.nodes {
		all[nodeName(i)] = node
	}
	return all
}

func (a *address) resolvePeer(branch string) (string, error) {
	name, err := a.resolve(branch)
	if err != nil {
		return "", fmt.Errorf("%w: %w", drivers.ErrNoPeer, err)
	}
	return name, nil
}

// Peers implements drivers.Peers.
func (d *Driver) Peers(context.Context) (map[string]string, error) { return d.dialer.peers(), nil }

// Resolve implements drivers.Peers.
func (d *Driver) Resolve(_ context.Context, branch string) (string, error) {
	return d.dialer.resolvePeer(branch)
}
