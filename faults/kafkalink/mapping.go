package kafkalink

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/faults"
)

// maxBrokers bounds the inlets that one link opens.
const maxBrokers = 1024

// mapping holds an inlet for each broker named in an answer. Safe for concurrent use.
type mapping struct {
	host, advertise string
	port            int // the bootstrap's port; 0: any
	link            faults.ListeningLink

	mu      sync.Mutex
	brokers map[int32]*broker
}

// broker is a broker and the address by which clients reach it.
type broker struct {
	upstream string // the broker's address in the cluster; guarded by mapping.mu
	port     int32
}

// newMapping makes the mapping of a link that listens on address.
func newMapping(c *Config, address string, link faults.ListeningLink) *mapping {
	m := &mapping{host: "127.0.0.1", link: link, brokers: make(map[int32]*broker)}
	if host, port, err := net.SplitHostPort(address); err == nil {
		m.host = host
		m.port, _ = strconv.Atoi(port) // 0 if it is no number: the listener reports it
	}
	if m.advertise = c.Advertise; m.advertise == "" {
		m.advertise = m.host
	}
	return m
}

// rewriteAddress replaces one broker's address by that of its inlet. A broker without an address (an unknown coordinator)
// is left alone.
func (m *mapping) rewriteAddress(id int32, host *string, port *int32) error {
	if *host == "" || *port <= 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	upstream := net.JoinHostPort(*host, strconv.Itoa(int(*port)))
	b := m.brokers[id]
	if b == nil {
		var err error
		if b, err = m.open(id, upstream); err != nil {
			return err
		}
		m.brokers[id] = b
	}
	b.upstream = upstream // a broker that moved keeps its inlet
	*host, *port = m.advertise, b.port
	return nil
}

// open opens the inlet of a broker. m.mu is held.
func (m *mapping) open(id int32, upstream string) (*broker, error) {
	if len(m.brokers) >= maxBrokers {
		return nil, fmt.Errorf("broker %d: the link already reaches %d brokers, the maximum", id, maxBrokers)
	}
	b := &broker{upstream: upstream}
	in := faults.Inlet{
		Upstream: func(context.Context) ([]string, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			return []string{b.upstream}, nil
		},
	}
	var address string
	err := fmt.Errorf("no port was chosen")
	if wanted := m.port + 1 + int(id); m.port > 0 && id >= 0 && wanted <= 65535 {
		in.Address = net.JoinHostPort(m.host, strconv.Itoa(wanted))
		address, err = m.link.Listen(in)
	}
	if err != nil {
		in.Address = net.JoinHostPort(m.host, "0")
		if address, err = m.link.Listen(in); err != nil {
			return nil, fmt.Errorf("broker %d: %w", id, err)
		}
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("broker %d: %w", id, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	b.port = int32(n)
	return b, err
}

// rewrite replaces every broker's address in an answer.
func (m *mapping) rewrite(answer kmsg.Response) (err error) {
	each := func(id int32, host *string, port *int32) {
		if err == nil {
			err = m.rewriteAddress(id, host, port)
		}
	}
	switch a := answer.(type) {
	case *kmsg.MetadataResponse:
		for i := range a.Brokers {
			each(a.Brokers[i].NodeID, &a.Brokers[i].Host, &a.Brokers[i].Port)
		}
	case *kmsg.FindCoordinatorResponse:
		each(a.NodeID, &a.Host, &a.Port)
		for i := range a.Coordinators {
			each(a.Coordinators[i].NodeID, &a.Coordinators[i].Host, &a.Coordinators[i].Port)
		}
	case *kmsg.DescribeClusterResponse:
		for i := range a.Brokers {
			each(a.Brokers[i].NodeID, &a.Brokers[i].Host, &a.Brokers[i].Port)
		}
	case *kmsg.ProduceResponse:
		for i := range a.Brokers {
			each(a.Brokers[i].NodeID, &a.Brokers[i].Host, &a.Brokers[i].Port)
		}
	case *kmsg.FetchResponse:
		for i := range a.Brokers {
			each(a.Brokers[i].NodeID, &a.Brokers[i].Host, &a.Brokers[i].Port)
		}
	case *kmsg.ShareFetchResponse:
		for i := range a.NodeEndpoints {
			each(a.NodeEndpoints[i].NodeID, &a.NodeEndpoints[i].Host, &a.NodeEndpoints[i].Port)
		}
	case *kmsg.ShareAcknowledgeResponse:
		for i := range a.NodeEndpoints {
			each(a.NodeEndpoints[i].NodeID, &a.NodeEndpoints[i].Host, &a.NodeEndpoints[i].Port)
		}
	}
	return err
}

// lastPlainFetch is the last version of Fetch whose answers name no broker. Later answers name new leaders after the
// records (KIP-951), and only parsing all records finds them.
const lastPlainFetch = 15

// namesBrokers says whether answers of this API and version must be read: they may name brokers, or list versions.
func namesBrokers(key, version int16) bool {
	switch kmsg.Key(key) {
	case kmsg.Metadata, kmsg.FindCoordinator, kmsg.DescribeCluster, kmsg.ShareFetch, kmsg.ShareAcknowledge, kmsg.ApiVersions:
		return true
	case kmsg.Produce:
		return version >= 10
	case kmsg.Fetch:
		return version > lastPlainFetch
	}
	return false
}

// lastNamedFetch is the last version of Fetch that names topics. Later versions give their ids.
const lastNamedFetch = 12

// limitVersions lowers the versions that a broker offers to those whose answers are read. In newer versions a client would learn
// addresses unseen; of Fetch, each answer would have to be parsed, or its topics were not known.
func (l *layer) limitVersions(a *kmsg.ApiVersionsResponse) {
	for i := range a.ApiKeys {
		k := &a.ApiKeys[i]
		most := k.MaxVersion
		if known := kmsg.ResponseForKey(k.ApiKey); known != nil && l.mapping != nil && namesBrokers(k.ApiKey, k.MaxVersion) {
			most = known.MaxVersion()
		}
		if kmsg.Key(k.ApiKey) == kmsg.Fetch && l.mapping != nil {
			most = lastPlainFetch
		}
		if kmsg.Key(k.ApiKey) == kmsg.Fetch && l.readsFetches.Load() {
			most = lastNamedFetch
		}
		k.MaxVersion = max(k.MinVersion, min(k.MaxVersion, most))
	}
}

// readable returns an empty answer of the API and version. It returns nil if the library cannot read that version.
func readable(key, version int16) kmsg.Response {
	answer := kmsg.ResponseForKey(key)
	if answer == nil || version < 0 || version > answer.MaxVersion() {
		return nil
	}
	answer.SetVersion(version)
	return answer
}

// rewritten returns body, the part after the correlation id, with the brokers' addresses replaced, or with lower versions. A
// body without any is returned unchanged.
func (l *layer) rewritten(key, version int16, body []byte) ([]byte, error) {
	return withAnswer(key, version, body, func(answer kmsg.Response) error {
		if versions, ok := answer.(*kmsg.ApiVersionsResponse); ok {
			l.limitVersions(versions)
			return nil
		}
		return l.mapping.rewrite(answer)
	})
}

// withAnswer returns body, the part after the correlation id, as change makes the answer in it.
func withAnswer(key, version int16, body []byte, change func(kmsg.Response) error) ([]byte, error) {
	answer := readable(key, version)
	if answer == nil {
		return nil, errUnread
	}
	rest, err := skipHeader(answer, body)
	if err != nil {
		return nil, err
	}
	if err := answer.ReadFrom(rest); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnread, err)
	}
	if err := change(answer); err != nil {
		return nil, err
	}
	out := append([]byte(nil), body[:len(body)-len(rest)]...)
	return answer.AppendTo(out), nil
}
