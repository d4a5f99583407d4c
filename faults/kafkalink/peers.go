package kafkalink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/faults"
)

// peers asks the brokers behind a link for their names and addresses, over a connection outside the link. It speaks plain
// Kafka and does not log in.
type peers struct {
	upstream func(context.Context) ([]string, error)
	dial     faults.DialFunc
	mapping  *mapping
}

var _ faults.PeeredProtocol = (*Config)(nil)

// Peers implements faults.PeeredProtocol.
func (c *Config) Peers(link faults.Link, upstream func(context.Context) ([]string, error), dial faults.DialFunc) (faults.Peers, error) {
	l, err := layerOn(link)
	if err != nil {
		return nil, err
	}
	return &peers{upstream, dial, l.mapping}, nil
}

// Peers implements faults.Peers. If brokers do not answer without a login, it uses the answers that clients got so far.
func (p *peers) Peers(ctx context.Context) (map[string]string, error) {
	answer, err := p.ask(ctx, nil)
	if err != nil {
		if seen := p.mapping.seen(); len(seen) > 0 {
			return seen, nil
		}
		return nil, err
	}
	all := make(map[string]string, len(answer.Brokers))
	for _, b := range answer.Brokers {
		all[brokerName(b.NodeID)] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	return all, nil
}

// leader returns the name of the broker that leads a partition. It returns an empty name if there is no such partition or
// topic.
func (p *peers) leader(ctx context.Context, topic string, partition int32) (string, error) {
	answer, err := p.ask(ctx, &topic)
	if err != nil {
		return "", err
	}
	for _, t := range answer.Topics {
		switch err := kerr.ErrorForCode(t.ErrorCode); {
		case t.Topic == nil || *t.Topic != topic:
			continue
		case errors.Is(err, kerr.UnknownTopicOrPartition), errors.Is(err, kerr.InvalidTopicException):
			return "", nil
		case err != nil:
			return "", fmt.Errorf("topic %s: %w", topic, err)
		}
		for _, one := range t.Partitions {
			if one.Partition == partition && one.Leader < 0 {
				return "", fmt.Errorf("topic %s, partition %d: no broker leads it now", topic, partition)
			}
			if one.Partition == partition {
				return brokerName(one.Leader), nil
			}
		}
	}
	return "", nil
}

// ask gets the metadata of one topic, or of none, from the first address that answers.
func (p *peers) ask(ctx context.Context, topic *string) (*kmsg.MetadataResponse, error) {
	addresses, err := p.upstream(ctx)
	for _, address := range addresses {
		var answer *kmsg.MetadataResponse
		if answer, err = p.askOne(ctx, address, topic); err == nil {
			return answer, nil
		}
	}
	return nil, fmt.Errorf("ask the brokers for their names: %w", err)
}

// metadataVersion is the first version that does not create a topic on request. Kafka has had it since 0.11.
const metadataVersion = 4

func (p *peers) askOne(ctx context.Context, address string, topic *string) (*kmsg.MetadataResponse, error) {
	conn, err := p.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	request := kmsg.NewPtrMetadataRequest()
	request.SetVersion(metadataVersion)
	request.Topics = []kmsg.MetadataRequestTopic{}
	if topic != nil {
		request.Topics = append(request.Topics, kmsg.MetadataRequestTopic{Topic: topic})
	}
	if _, err := conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("wringer")).AppendRequest(nil, request, 0)); err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	head := make([]byte, 8) // length and correlation id
	if _, err := io.ReadFull(conn, head); err != nil {
		return nil, errors.Join(ctx.Err(), fmt.Errorf("%s closed the connection; the broker may require a login or TLS: %w", address, err))
	}
	size := int(head[0])<<24 | int(head[1])<<16 | int(head[2])<<8 | int(head[3])
	if size < 4 || size > maxRead {
		return nil, fmt.Errorf("%s: %w", address, errRaw)
	}
	body := make([]byte, size-4)
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	answer := kmsg.NewPtrMetadataResponse()
	answer.SetVersion(metadataVersion)
	if err := answer.ReadFrom(body); err != nil {
		return nil, fmt.Errorf("%s: %w", address, err)
	}
	return answer, nil
}

// seen returns the brokers that answers have named so far.
func (m *mapping) seen() map[string]string {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string]string, len(m.brokers))
	for id, b := range m.brokers {
		all[brokerName(id)] = b.upstream
	}
	return all
}
