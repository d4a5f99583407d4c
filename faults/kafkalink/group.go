package kafkalink

import (
	"bufio"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/faults/request"
)

// maxGroups bounds the groups that are remembered of one connection.
const maxGroups = 64

// groupRequest is a request about one consumer group, or several.
type groupRequest struct {
	groups []string
	member string
	// joined says that the member speaks as one that has joined before. In a commit of a client that is in no group it is false.
	joined bool
	// holds is set where a member joins, and says that it keeps partitions from before.
	holds bool
	// committed are the partitions of a commit.
	committed []partition
}

// aboutGroup says whether a request is about consumer groups, and a planned fault asks for it.
func (l *layer) aboutGroup(h head) bool {
	if !l.readsGroups.Load() {
		return false
	}
	switch kmsg.Key(h.key) {
	case kmsg.OffsetCommit, kmsg.OffsetFetch, kmsg.JoinGroup, kmsg.Heartbeat, kmsg.SyncGroup, kmsg.ConsumerGroupHeartbeat:
		return true
	}
	return false
}

// readGroup reads a request about groups.
func readGroup(h head, frame []byte) (*groupRequest, kmsg.Request, error) {
	body, err := h.body(frame)
	if err != nil {
		return nil, nil, err
	}
	request := kmsg.RequestForKey(h.key)
	request.SetVersion(h.version)
	if err := request.ReadFrom(body); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errUnread, err)
	}
	g := new(groupRequest)
	switch r := request.(type) {
	case *kmsg.OffsetCommitRequest:
		g.groups, g.member, g.joined = []string{r.Group}, r.MemberID, r.Generation >= 0
		for _, t := range r.Topics {
			for _, p := range t.Partitions {
				g.committed = append(g.committed, partition{topicName(t.Topic, t.TopicID), p.Partition})
			}
		}
	case *kmsg.OffsetFetchRequest:
		g.groups = []string{r.Group}
		if h.version >= 8 {
			g.groups = nil
			for _, one := range r.Groups {
				g.groups = append(g.groups, one.Group)
			}
		}
	case *kmsg.JoinGroupRequest:
		g.groups, g.member, g.holds = []string{r.Group}, r.MemberID, holds(r)
	case *kmsg.HeartbeatRequest:
		g.groups, g.member, g.joined = []string{r.Group}, r.MemberID, true
	case *kmsg.SyncGroupRequest:
		g.groups, g.member, g.joined = []string{r.Group}, r.MemberID, true
	case *kmsg.ConsumerGroupHeartbeatRequest:
		g.groups, g.member, g.joined = []string{r.Group}, r.MemberID, r.MemberEpoch > 0
	}
	return g, request, nil
}

// holds says whether a member that joins tells of partitions that it keeps (KIP-429). A member that rebalances eagerly keeps none.
func holds(r *kmsg.JoinGroupRequest) bool {
	for _, p := range r.Protocols {
		var m kmsg.ConsumerMemberMetadata
		if m.ReadFrom(p.Metadata) == nil && len(m.OwnedPartitions) > 0 {
			return true
		}
	}
	return false
}

// topicName is the name of a topic, or its id where the request gives that alone.
func topicName(name string, id [16]byte) string {
	if name == "" {
		return fmt.Sprintf("%x", id)
	}
	return name
}

// groupRequest carries a request about groups. It answers in the broker's place where the member has to join anew. done is false if
// the request is to be carried as any other.
func (c *conn) groupRequest(r *bufio.Reader, e *expected, act *Fault) (done bool, err error) {
	if act != nil || e.size > maxRead || !e.known() {
		return false, nil
	}
	frame := make([]byte, e.size)
	if _, err := io.ReadFull(r, frame); err != nil {
		return true, err
	}
	g, request, err := readGroup(e.head, frame)
	if err != nil {
		c.layer.logUnread(false, kmsg.NameForKey(e.key), err)
		c.addExpected(e)
		_, err = c.Target.Write(frame)
		return true, err
	}
	e.group = g
	c.remember(g.groups)
	for _, f := range c.rewinds() {
		if g.joined && f.rewound.mustJoin(g, f.act.Group) {
			f.expelled.Add(1)
			e.ours = e.answer(expelled(request))
			c.writing.Lock()
			defer c.writing.Unlock()
			c.addExpected(e)
			return true, c.writeOurAnswers()
		}
		f.rewound.commits(g)
	}
	c.addExpected(e)
	_, err = c.Target.Write(frame)
	return true, err
}

// expelled is the answer by which a member learns that it has to join anew.
func expelled(r kmsg.Request) kmsg.Response {
	answer := r.ResponseKind()
	switch a := answer.(type) {
	case *kmsg.HeartbeatResponse:
		a.ErrorCode = kerr.IllegalGeneration.Code
	case *kmsg.SyncGroupResponse:
		a.ErrorCode = kerr.IllegalGeneration.Code
	case *kmsg.ConsumerGroupHeartbeatResponse:
		a.ErrorCode = kerr.FencedMemberEpoch.Code
	case *kmsg.OffsetCommitResponse:
		for _, topic := range r.(*kmsg.OffsetCommitRequest).Topics {
			t := kmsg.NewOffsetCommitResponseTopic()
			t.Topic, t.TopicID = topic.Topic, topic.TopicID
			for _, p := range topic.Partitions {
				t.Partitions = append(t.Partitions, kmsg.OffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: kerr.IllegalGeneration.Code})
			}
			a.Topics = append(a.Topics, t)
		}
	}
	return answer
}

// groupAnswer returns an answer about groups as the faults in force make it.
func (c *conn) groupAnswer(e *expected, frame []byte) []byte {
	rewinds := c.rewinds()
	if len(rewinds) == 0 {
		return frame
	}
	changed := false
	body, err := withAnswer(e.key, e.version, frame[8:], func(answer kmsg.Response) error {
		for _, f := range rewinds {
			switch a := answer.(type) {
			case *kmsg.JoinGroupResponse:
				if e.group.member == "" { // also where the member gets an id, to come back with
					f.rewound.isBare(e.group.groups[0], a.MemberID)
				}
				if a.ErrorCode == 0 && !e.group.holds {
					f.rewound.joins(e.group.groups[0], a.MemberID)
				}
			case *kmsg.ConsumerGroupHeartbeatResponse:
				if a.ErrorCode == 0 && a.MemberID != nil && !e.group.joined {
					f.rewound.isBare(e.group.groups[0], *a.MemberID)
					f.rewound.joins(e.group.groups[0], *a.MemberID)
				}
			case *kmsg.OffsetFetchResponse:
				if f.rewind(e.group, a) {
					changed = true
					c.meets(f, len(frame))
				}
			}
		}
		return nil
	})
	if err != nil {
		c.layer.logUnread(false, fmt.Sprintf("%s v%d", kmsg.NameForKey(e.key), e.version), err)
		return frame
	}
	if !changed {
		return frame
	}
	return withLength(append(frame[:8:8], body...))
}

// rewinds lists the faults in force that rewind groups over this connection.
func (c *conn) rewinds() (all []*Fault) {
	for _, f := range c.layer.faults.All() {
		if f.act.Rewind > 0 && f.aim.Covers(c.address, "") {
			all = append(all, f)
		}
	}
	return all
}

// remember notes the groups that the connection speaks of.
func (c *conn) remember(groups []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, group := range groups {
		if len(c.groups) < maxGroups {
			c.groups[group] = struct{}{}
		}
	}
}

// speaksOf says whether the connection spoke of the group; empty: of any.
func (c *conn) speaksOf(group string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.groups[group]; ok {
		return true
	}
	return group == "" && len(c.groups) > 0
}

// endGroups ends the connections on which members of the fault's groups speak.
func (l *layer) endGroups(f *Fault) {
	l.conns.Range(func(key, _ any) bool {
		if c := key.(*conn); c.speaksOf(f.act.Group) && f.aim.Covers(c.address, "") {
			c.End(request.ErrCut)
		}
		return true
	})
}
