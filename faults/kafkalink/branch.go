package kafkalink

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"wringer/faults"
)

// branch is the text after a link's name and a slash. It names one broker by its id (broker-2), or the leader of a
// partition (leader(orders,0)). The streams of drivers/kafka use the same names; cmd's tests compare the two.
type branch struct {
	broker    string // empty: the leader
	topic     string
	partition int32
}

const brokerPrefix = "broker-"

func brokerName(id int32) string { return brokerPrefix + strconv.Itoa(int(id)) }

func parseBranch(text string) (branch, error) {
	wrong := fmt.Errorf("%q is no broker: write broker-2 by its id, or leader(TOPIC,PARTITION) for the one that leads when the fault is injected", text)
	if id, ok := strings.CutPrefix(text, brokerPrefix); ok {
		n, err := strconv.ParseUint(id, 10, 31)
		if err != nil || brokerName(int32(n)) != text {
			return branch{}, wrong
		}
		return branch{broker: text}, nil
	}
	inner, ok := strings.CutPrefix(text, "leader(")
	inner, closed := strings.CutSuffix(inner, ")")
	topic, partition, both := strings.Cut(inner, ",")
	n, err := strconv.ParseUint(strings.TrimSpace(partition), 10, 31)
	if topic = strings.TrimSpace(topic); !ok || !closed || !both || err != nil || topic == "" {
		return branch{}, wrong
	}
	return branch{topic: topic, partition: int32(n)}, nil
}

// CheckBranch implements faults.PeeredProtocol.
func (*Config) CheckBranch(text string) error {
	_, err := parseBranch(text)
	return err
}

// Resolve implements faults.Peers.
func (p *peers) Resolve(ctx context.Context, text string) (string, error) {
	b, err := parseBranch(text)
	if err != nil {
		return "", fmt.Errorf("%w: %w", faults.ErrNoPeer, err)
	}
	if b.broker != "" {
		return b.broker, nil
	}
	name, err := p.leader(ctx, b.topic, b.partition)
	if err == nil && name == "" {
		err = fmt.Errorf("%w: there is no partition %d of topic %s", faults.ErrNoPeer, b.partition, b.topic)
	}
	return name, err
}
