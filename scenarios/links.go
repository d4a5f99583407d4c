package scenarios

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"wringer/drivers"
	"wringer/faults"
)

// Link is one entry of `links`: a path between the target and a service that it calls.
type Link struct {
	Name     string `yaml:"-"`
	Listen   string `yaml:"listen" jsonschema_description:"The address to listen on. Default 127.0.0.1:0, a free port."`
	Upstream string `yaml:"upstream" jsonschema_description:"The service behind the link: host:port, or a URL. Several, separated by commas, are tried in turn. May hold the target's variables."`

	// Ports are ports of the callee that the link takes over, between two parts of the target: the caller connects to
	// callee:PORT as ever, and meets the link.
	Ports []uint16 `yaml:"ports" jsonschema_description:"Between two containers, in place of upstream: ports of the callee. The caller connects to CALLEE:PORT as ever and meets the link; other callers do not."`

	Witness LinkWitness `yaml:"witness" jsonschema_description:"Count the requests that reach the callee, behind the link: HTTP/1.x, HTTP/2, gRPC, Kafka, AMQP, without TLS. true, or {id: ...} to tell repeated requests."`

	// ProtocolName is the key under which the file has Protocol: kafka. Empty: the link passes bytes.
	ProtocolName string          `yaml:"-"`
	Protocol     faults.Protocol `yaml:"-"`

	listen, upstream string // of the entry or its protocol
}

// Variable is the name of the link's address: ${links.orders->stock}.
func (l *Link) Variable() string { return linkPrefix + l.Name }

// ListenAddress is the address on which the link listens.
func (l *Link) ListenAddress() string { return cmp.Or(l.listen, "127.0.0.1:0") }

// Listens says that the scenario chose the address on which the link listens.
func (l *Link) Listens() bool { return l.listen != "" }

// Ends returns the caller and the callee of a link caller->callee; callee is empty for a link of one name.
func (l *Link) Ends() (caller, callee string) {
	caller, callee, _ = strings.Cut(l.Name, "->")
	return caller, callee
}

// Behind is the link with the upstream of one of its Ports.
func (l *Link) Behind(port uint16) *Link {
	_, callee := l.Ends()
	out := *l
	out.upstream = fmt.Sprintf("${%s.%d}", callee, port)
	return &out
}

// Upstreams returns host:port of the services behind the link. It returns an error while a variable in them is not known.
func (l *Link) Upstreams(vars map[string]string) ([]string, error) {
	text, err := fill(l.upstream, vars)
	if err != nil {
		return nil, fmt.Errorf("link %s: upstream: %w", l.Name, err)
	}
	addresses, err := hostports(text)
	if err != nil {
		return nil, fmt.Errorf("link %s: upstream: %w", l.Name, err)
	}
	return addresses, nil
}

// String describes the link in words, for `wringer check`.
func (l *Link) String() string {
	text := cmp.Or(l.ProtocolName, "tcp") + " " + l.ListenAddress() + " to " + l.upstream
	if len(l.Ports) > 0 {
		caller, callee := l.Ends()
		text = fmt.Sprintf("tcp between %s and port %s of %s", caller, strings.Trim(fmt.Sprint(l.Ports), "[]"), callee)
	}
	switch {
	case l.Witness.ID != "":
		text += ", with a witness that tells requests apart by " + l.Witness.ID
	case l.Witness.On:
		text += ", with a witness"
	}
	return text
}

const linkPrefix = "links."

// MaxLinks bounds `links`.
const MaxLinks = 64

var linkName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,49}(->[a-z][a-z0-9_-]{0,49})?$`)

// hostports reads addresses separated by commas.
func hostports(text string) ([]string, error) {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		address := strings.TrimSpace(part)
		if strings.Contains(address, "://") {
			u, err := url.Parse(address)
			if err != nil {
				return nil, fmt.Errorf("%s is no URL", quote(address))
			}
			address = u.Host
		}
		if err := checkHostport(address, 1); err != nil {
			return nil, err
		}
		out = append(out, address)
	}
	return out, nil
}

func checkHostport(address string, least uint64) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s is no address: write host:port", quote(address))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n < least {
		return fmt.Errorf("%s is no address: the port is a number from %d to 65535", quote(address), least)
	}
	return nil
}

// linkNames makes the addresses of the links known to all other parts: they are chosen before the target starts.
func (r *reader) linkNames(n *node) {
	if n == nil || n.kind != table {
		return
	}
	for _, f := range n.fields {
		r.vars.late = append(r.vars.late, linkPrefix+f.key.text)
	}
}

// links reads the links, in the order of the file. The target's names are already known.
func (r *reader) links(n *node, s *Scenario) {
	switch {
	case n.kind != table:
		r.problem(n, "links: expects a table of links by name, found %s", n.words())
		return
	case len(n.fields) == 0:
		r.problem(n, "links: holds no link; leave it out, or name one such as orders->stock")
	case len(n.fields) > MaxLinks:
		r.problem(n, "links: %d links; the maximum is %d", len(n.fields), MaxLinks)
		return
	}
	for _, f := range n.fields {
		if !linkName.MatchString(f.key.text) {
			r.problem(f.key, "%s is no name of a link: write caller->callee, or one name, in small letters, digits, - and _", quote(f.key.text))
		}
		s.Links = append(s.Links, r.link(f, s))
	}
}

// link reads one link: addresses, or one protocol with its own.
func (r *reader) link(f field, s *Scenario) Link {
	l := Link{Name: f.key.text}
	before := len(r.problems)
	r.lateTexts(func() {
		elsewhere := open{}
		for name := range r.lang.Links {
			elsewhere[name] = func(f field) { r.protocol(f, &l) }
		}
		r.table(f.value, l.Name, reflect.ValueOf(&l).Elem(), elsewhere)
	})
	if len(r.problems) > before {
		return l
	}
	l.listen, l.upstream = l.Listen, l.Upstream
	at := f.value
	if l.Protocol != nil {
		at = f.value.get(l.ProtocolName)
		if l.Listen != "" || l.Upstream != "" {
			r.problem(f.value, "%s: %s has its own listen and upstream; remove these", l.Name, l.ProtocolName)
			return l
		}
		if len(l.Ports) > 0 {
			r.problem(f.value.get("ports"), "%s: %s goes with an address of its own, ${%s}; remove ports", l.Name, l.ProtocolName, l.Variable())
			return l
		}
		l.listen, l.upstream = l.Protocol.Ends()
	} else if len(l.Ports) > 0 {
		r.checkPorts(f, &l, s)
		r.checkWitness(f.value, &l)
		return l
	} else if l.Upstream == "" {
		r.problem(f.value, "%s: the key upstream is missing: the service behind the link; or give one of %s", l.Name, strings.Join(sortedKeys(r.lang.Links), ", "))
		return l
	}
	r.checkEnds(at, &l)
	r.checkWitness(f.value, &l)
	return l
}

// checkPorts checks a link that takes over ports of the callee. The target is already known.
func (r *reader) checkPorts(f field, l *Link, s *Scenario) {
	at := f.value.get("ports")
	caller, callee := l.Ends()
	aliasing, ok := s.Target.(Aliasing)
	switch {
	case l.Listen != "" || l.Upstream != "":
		r.problem(at, "%s: ports say where the link stands; remove listen and upstream", l.Name)
	case callee == "":
		r.problem(f.key, "%s: a link with ports is named caller->callee, by two parts of the target", l.Name)
	case !ok:
		r.problem(at, "%s: ports go with a target of containers; give upstream", l.Name)
	default:
		if err := aliasing.CheckAlias(caller, callee, l.Ports); err != nil {
			r.problem(at, "%s: %v", l.Name, err)
		}
	}
}

// checkEnds checks the addresses as far as they are known.
func (r *reader) checkEnds(at *node, l *Link) {
	if strings.Contains(l.listen, "${") {
		r.problem(at.find("listen"), "%s: listen: is needed before the target starts, so it may hold none of the target's variables", l.Name)
	} else if err := checkHostport(l.ListenAddress(), 0); err != nil {
		r.problem(at.find("listen"), "%s: listen: %v", l.Name, err)
	}
	if strings.Contains(l.upstream, "${"+linkPrefix+l.Name+"}") {
		r.problem(at, "%s: leads to itself", l.Name)
	} else if !strings.Contains(l.upstream, "${") {
		if _, err := hostports(l.upstream); err != nil {
			r.problem(at, "%s: %v", l.Name, err)
		}
	}
}

func (r *reader) protocol(f field, l *Link) {
	if l.Protocol != nil {
		r.problem(f.key, "%s: has %s already; a link has one protocol", l.Name, l.ProtocolName)
		return
	}
	l.ProtocolName, l.Protocol = f.key.text, r.lang.Links[f.key.text]()
	r.config(f.value, l.Name+": "+f.key.text, l.Protocol)
}

// lateTexts decodes texts in which variables may still have no value.
func (r *reader) lateTexts(decode func()) {
	r.late = true
	defer func() { r.late = false }()
	decode()
}

// checkLinkNames: each name must identify one link to a fault.
func (r *reader) checkLinkNames(n *node, s *Scenario) {
	for i, f := range n.fields {
		if i < len(s.Links) && slices.ContainsFunc(s.Traffic, func(t Stream) bool { return t.Name == f.key.text }) {
			r.problem(f.key, "%s: a stream has this name, and its own connections are the link %s; choose another name", f.key.text, f.key.text)
		}
	}
}

// breakable lists the links that a fault may name.
func (s *Scenario) breakable() []string {
	var names []string
	for i := range s.Traffic {
		if c := s.Traffic[i].Consume; c == nil || c.Describe().Grouped { // without a group, the source reads past the faults
			names = append(names, s.Traffic[i].Name)
		}
	}
	for i := range s.Links {
		names = append(names, s.Links[i].Name)
	}
	return names
}

// branched reports whether parts of the link can be broken alone: LINK/BRANCH.
func (s *Scenario) branched(link string) bool {
	switch c := s.behind(link).(type) {
	case drivers.Config:
		return c.Describe().Peers
	case drivers.SourceConfig:
		return c.Describe().Peers
	case faults.PeeredProtocol:
		return true
	default:
		return c == nil && slices.ContainsFunc(s.Traffic, func(t Stream) bool { return t.Name == link }) // its driver could not be read: one problem is enough
	}
}

// checkBranch asks the configuration behind the link to check the text of a branch.
func (s *Scenario) checkBranch(link, branch string) error {
	if c, ok := s.behind(link).(drivers.Branched); ok {
		return c.CheckBranch(branch)
	}
	return nil
}

// behind is the configuration behind a link: a stream's driver, the source of a consuming stream, or the protocol of a link
// between services. nil: there is none, or it could not be read.
func (s *Scenario) behind(link string) any {
	if i := slices.IndexFunc(s.Traffic, func(t Stream) bool { return t.Name == link }); i >= 0 {
		switch t := &s.Traffic[i]; {
		case t.Consume != nil && t.Consume.Source != nil:
			return t.Consume.Source
		case t.Consume == nil && t.Driver != nil:
			return t.Driver
		}
		return nil
	}
	if i := slices.IndexFunc(s.Links, func(l Link) bool { return l.Name == link }); i >= 0 && s.Links[i].Protocol != nil {
		return s.Links[i].Protocol
	}
	return nil
}

// ResolveTarget returns the target's configuration with the links' addresses, links.NAME, filled in; nil without a target. A
// Reserving target fills in its texts itself. The error is a Problems.
func (s *Scenario) ResolveTarget(links map[string]string) (TargetConfig, error) {
	if _, itself := s.Target.(Reserving); s.Target == nil || itself {
		return s.Target, nil
	}
	r := resolver{decoder{file: s.Path}, links, s.targetAt == nil}
	config := r.config(s.targetAt, s.TargetName, s.Target).(TargetConfig)
	if len(r.problems) > 0 {
		for i := range r.problems {
			r.problems[i].Message = s.Redact(r.problems[i].Message)
		}
		return nil, r.problems.tidy(s.Path)
	}
	return config, nil
}
