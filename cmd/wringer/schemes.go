package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/pflag"
)

// scheme is a protocol of `wringer load`: its URLs, and the flags that only it has.
type scheme struct {
	key     string   // the key of the protocol's part in a stream
	names   []string // the beginnings of its URLs, without ://
	instead string   // the flag that may replace the URL; empty: none
	flags   func() schemeFlags
}

// schemeFlags are the flags that only one protocol has.
type schemeFlags interface {
	// add makes the flags known.
	add(*pflag.FlagSet)
	// examples are lines of the command's help, without `wringer load`.
	examples() []string
	// check finds a flag whose value is empty, or that this URL cannot use. changed reports which flags are given.
	check(target *url.URL, changed func(flag string) bool) error
	// part writes the protocol's part of the stream.
	part(loadTarget) (yaml.MapSlice, error)
}

// loadTarget holds the values of the flags that every protocol has. With a flag in place of a URL, text is empty, and so is
// every part of url.
type loadTarget struct {
	text    string // the URL as given
	url     *url.URL
	data    string // of -d
	file    string // that data was read from, where a scenario cannot hold its text
	path    string // of the file that data was read from, always; empty: none
	headers yaml.MapSlice
	feed    yaml.MapSlice // the data key; empty: none
	// serverName is the name of TLS; empty: the host.
	serverName string
	hide       func(name, secret string) string // returns what stands for a secret in the scenario
}

// protocol is a scheme with the flags of one command.
type protocol struct {
	scheme
	schemeFlags
	set *pflag.FlagSet // its own flags
}

// protocols makes the flags of all schemes.
func protocols(all []scheme) []*protocol {
	var out []*protocol
	for _, s := range all {
		p := &protocol{s, s.flags(), pflag.NewFlagSet(s.key, pflag.ContinueOnError)}
		p.add(p.set)
		out = append(out, p)
	}
	return out
}

// urls lists the URLs of a protocol or of several: http://, https:// or kafka://.
func urls(of ...*protocol) string {
	var all []string
	for _, p := range of {
		for _, name := range p.names {
			all = append(all, name+"://")
		}
	}
	if last := len(all) - 1; last > 0 {
		return strings.Join(all[:last], ", ") + " or " + all[last]
	}
	return strings.Join(all, "")
}

// inPlaceOfURL reports whether the flag that replaces the URL is given.
func (p *protocol) inPlaceOfURL() bool {
	return p.instead != "" && p.set.Lookup(p.instead).Value.String() != ""
}

// choose finds the protocol of a URL, or of the flag that replaces one; target is empty then.
func choose(all []*protocol, target string) (*protocol, *url.URL, error) {
	if target != "" && !strings.Contains(target, "://") {
		first, rest, _ := strings.Cut(urls(all...), "://")
		return nil, nil, fmt.Errorf("%q has no scheme: write %s://%s%s", target, first, target, rest)
	}
	u, err := url.Parse(target)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range all {
		if target == "" && p.inPlaceOfURL() || slices.Contains(p.names, u.Scheme) {
			return p, u, nil
		}
	}
	return nil, nil, fmt.Errorf("%q: write %s", target, urls(all...))
}

// refuse finds a flag of another protocol. If the flag were ignored, the user would believe in a measurement that was not made.
func (p *protocol) refuse(all []*protocol, u *url.URL) error {
	here := u.Scheme + "://"
	if u.Scheme == "" {
		here = "--" + p.instead
	}
	var err error
	for _, other := range all {
		if other == p {
			continue
		}
		other.set.VisitAll(func(f *pflag.Flag) {
			if f.Changed && err == nil {
				err = fmt.Errorf("--%s goes with %s, and not with %s", f.Name, urls(other), here)
			}
		})
	}
	return err
}

// positive finds a flag whose number is given and below 1. The numbers are in the order of the names.
func positive(changed func(flag string) bool, names []string, numbers ...int) error {
	for i, name := range names {
		if changed(name) && numbers[i] < 1 {
			return fmt.Errorf("--%s %d: must be at least 1", name, numbers[i])
		}
	}
	return nil
}
