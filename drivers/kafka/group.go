package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
	"wringer/drivers/churn"
)

// Group is a group of consumers under test.
type Group struct {
	ID       string        `yaml:"id" jsonschema_description:"The group's name, to which the run's own word is added. Default: wringer-STREAM."`
	Members  int           `yaml:"members" jsonschema:"required" jsonschema_description:"How many consumers share the topic's partitions."`
	Commit   string        `yaml:"commit" jsonschema:"enum=before,enum=after,enum=periodic" jsonschema_description:"When offsets are committed: before the records of a batch are processed (what dies with them in hand has lost them), after (it gets them again, the default), or periodic: what was processed, every so often."`
	Every    time.Duration `yaml:"every" jsonschema_description:"Of periodic commits. Default 1s."`
	Batch    int           `yaml:"batch" jsonschema_description:"Records that a member takes in hand at once, at most. Default 100."`
	Work     time.Duration `yaml:"work" jsonschema_description:"How long a member works on a record. Default: not at all."`
	Session  time.Duration `yaml:"session" jsonschema_description:"Without a heartbeat for so long, a member is taken for dead (session.timeout.ms). Default 6s, the least that brokers allow by default."`
	Strategy string        `yaml:"strategy" jsonschema:"enum=range,enum=round_robin,enum=sticky" jsonschema_description:"How partitions are shared out. Default range."`
	Churn    *churn.Config `yaml:"churn" jsonschema_description:"Members leave, freeze and die, and come back. Default: none does."`
}

// The commit policies.
const (
	commitBefore   = "before"
	commitAfter    = "after"
	commitPeriodic = "periodic"
)

var strategyByName = map[string]func() sarama.BalanceStrategy{
	"": sarama.NewBalanceStrategyRange, "range": sarama.NewBalanceStrategyRange,
	"round_robin": sarama.NewBalanceStrategyRoundRobin, "sticky": sarama.NewBalanceStrategySticky,
}

const (
	maxMembers           = 256
	defaultGroupBatch    = 100
	maxGroupBatch        = 10_000
	defaultSession       = 6 * time.Second
	maxSession           = 5 * time.Minute
	leastSession         = 100 * time.Millisecond
	defaultCommitEvery   = time.Second
	heartbeatsPerSession = 10
)

func (g *Group) check(problem func(field, message string)) {
	if g.Members < 1 || g.Members > maxMembers {
		problem("group.members", fmt.Sprintf("must be 1 to %d", maxMembers))
	}
	if g.Commit != "" && g.Commit != commitBefore && g.Commit != commitAfter && g.Commit != commitPeriodic {
		problem("group.commit", fmt.Sprintf("%q is not one of before, after, periodic", g.Commit))
	}
	if g.Every > 0 && g.Commit != commitPeriodic {
		problem("group.every", "goes with commit: periodic")
	}
	if g.Batch < 0 || g.Batch > maxGroupBatch {
		problem("group.batch", fmt.Sprintf("must be 1 to %d", maxGroupBatch))
	}
	if g.Session != 0 && (g.Session < leastSession || g.Session > maxSession) {
		problem("group.session", fmt.Sprintf("must be %v to %v", leastSession, maxSession))
	}
	if busy := time.Duration(g.batch()) * g.Work; busy > g.session() {
		problem("group.work", fmt.Sprintf("a batch of %d takes %v, longer than the session of %v: the group would take a busy member for dead; make batch smaller", g.batch(), busy, g.session()))
	}
	if strategyByName[g.Strategy] == nil {
		problem("group.strategy", fmt.Sprintf("%q is not one of range, round_robin, sticky", g.Strategy))
	}
	if g.Churn != nil {
		g.Churn.Check(problem)
	}
}

func (g *Group) batch() int             { return cmp.Or(g.Batch, defaultGroupBatch) }
func (g *Group) session() time.Duration { return cmp.Or(g.Session, defaultSession) }
func (g *Group) commit() string         { return cmp.Or(g.Commit, commitAfter) }

// consumers is a drivers.Group. Each member is a consumer group client of sarama.
type consumers struct {
	config    *Group
	env       drivers.Env
	id        string
	topic     string
	brokers   []string
	access    access
	tlsConfig *tls.Config
	committed bool
	admin     sarama.ClusterAdmin // uses the source's client; must not be closed
	begin     map[int32]int64
	emit      func(drivers.GroupEvent)

	assigned atomic.Bool // at least one member was assigned a partition
	mu       sync.Mutex
	failure  error // the last error of any member
}

var (
	_ drivers.Group       = (*consumers)(nil)
	_ drivers.GroupConfig = (*Consume)(nil)
)

// OpenGroup implements drivers.GroupConfig.
func (c *Consume) OpenGroup(env drivers.Env) (drivers.Group, error) {
	g := &consumers{config: c.Group, env: env, topic: c.Topic, access: c.access(), committed: c.committed()}
	g.id = cmp.Or(c.Group.ID, "wringer-"+env.Stream) + "-" + env.Identity.Run
	var err error
	if g.brokers, err = splitBrokers(c.Brokers); err != nil {
		return nil, fmt.Errorf("%w: brokers: %w", drivers.ErrConfig, err)
	}
	if g.tlsConfig, err = g.access.loadTLS(env.Files); err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	return g, nil
}

// Start implements drivers.Group. It commits the offsets at which the source begins, so the group reads the same records.
func (g *consumers) Start(ctx context.Context, source drivers.Source) error {
	s := source.(*Source)
	admin, err := sarama.NewClusterAdminFromClient(s.client)
	if err != nil {
		return fmt.Errorf("group %s: %w: %w", g.id, drivers.ErrUnreachable, err)
	}
	g.admin, g.begin = admin, make(map[int32]int64)
	offsets := make(map[int32]sarama.OffsetAndMetadata)
	for _, p := range s.positions {
		g.begin[p.partition] = p.next
		offsets[p.partition] = sarama.OffsetAndMetadata{Offset: p.next, LeaderEpoch: -1}
	}
	ctx, cancel := context.WithTimeout(ctx, coordinatorLimit)
	defer cancel()
	for {
		err := g.commitStart(offsets)
		if err == nil {
			return nil
		}
		if errors.Is(err, sarama.ErrGroupAuthorizationFailed) {
			return fmt.Errorf("group %s: %w: %w", g.id, drivers.ErrConfig, err)
		}
		if !drivers.Pause(ctx, backoff) { // a coordinator takes a while to appear in a new cluster
			return fmt.Errorf("group %s: %w: commit its starting offsets: %w", g.id, drivers.ErrUnreachable, err)
		}
	}
}

func (g *consumers) commitStart(offsets map[int32]sarama.OffsetAndMetadata) error {
	answer, err := g.admin.AlterConsumerGroupOffsets(g.id, map[string]map[int32]sarama.OffsetAndMetadata{g.topic: offsets}, nil)
	if err != nil {
		return err
	}
	for p := range offsets {
		if code, ok := answer.Errors[g.topic][p]; ok && code != sarama.ErrNoError {
			return fmt.Errorf("partition %d: %w", p, code)
		}
	}
	return nil
}

// Run implements drivers.Group.
func (g *consumers) Run(ctx context.Context, length time.Duration, emit func(drivers.GroupEvent)) error {
	g.emit = emit
	members := churn.Members{Count: g.config.Members, Strikes: g.config.Churn.Plan(g.config.Members, length, g.env.Seed),
		Clock: g.env.Clock, Emit: emit, Join: g.join}
	members.Run(ctx)
	if g.assigned.Load() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return fmt.Errorf("no member of group %s was given anything to read: %w", g.id, cmp.Or(g.failure, errors.New("the brokers did not answer in time")))
}

// Settled implements drivers.Group. It returns the group's committed offsets: the next offset of each partition.
func (g *consumers) Settled(ctx context.Context) (map[int32]int64, error) {
	partitions := make([]int32, 0, len(g.begin))
	for p := range g.begin {
		partitions = append(partitions, p)
	}
	for {
		offsets, err := g.askCommitted(partitions)
		if err == nil {
			return offsets, nil
		}
		if !drivers.Pause(ctx, backoff) {
			return nil, fmt.Errorf("ask what group %s has committed: %w", g.id, err)
		}
	}
}

func (g *consumers) askCommitted(partitions []int32) (map[int32]int64, error) {
	answer, err := g.admin.ListConsumerGroupOffsets(g.id, map[string][]int32{g.topic: partitions})
	if err != nil {
		return nil, err
	}
	if answer.Err != sarama.ErrNoError {
		return nil, answer.Err
	}
	offsets := make(map[int32]int64)
	for _, p := range partitions {
		block := answer.GetBlock(g.topic, p)
		switch {
		case block == nil:
			return nil, fmt.Errorf("partition %d: no answer", p)
		case block.Err != sarama.ErrNoError:
			return nil, fmt.Errorf("partition %d: %w", p, block.Err)
		}
		offsets[p] = block.Offset
	}
	return offsets, nil
}

// Close implements drivers.Group. The members have left. The group belongs to this run alone, and is deleted if the brokers
// allow it.
func (g *consumers) Close() error {
	if g.admin != nil {
		_ = g.admin.DeleteConsumerGroup(g.id) // without a deletion the group expires
	}
	return nil
}

// noteFailure keeps why a member cannot read.
func (g *consumers) noteFailure(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failure = err
}

// client returns sarama's configuration for a member's client on a network.
func (g *consumers) client(n *network) *sarama.Config {
	config := clientConfig(g.env, n)
	if g.access.setLogin(config); g.access.sasl != nil {
		n.logins = config
	}
	session := g.config.session()
	c := &config.Consumer
	c.Group.Session.Timeout, c.Group.Heartbeat.Interval = session, session/heartbeatsPerSession
	c.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategyByName[g.config.Strategy]()}
	c.Group.Rebalance.Timeout = 2 * session
	c.Group.Rebalance.Retry.Backoff = backoff
	// The coordinator answers a join once every member has joined, or was given up.
	config.Net.ReadTimeout = max(config.Net.ReadTimeout, c.Group.Rebalance.Timeout+session)
	c.Offsets.AutoCommit.Enable = false
	c.Offsets.Initial = sarama.OffsetOldest // if an offset is lost, reading twice is better than missing records
	c.MaxWaitTime = fetchWait
	c.Retry.Backoff = backoff
	if g.committed {
		c.IsolationLevel = sarama.ReadCommitted
	}
	return config
}
