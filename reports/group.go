package reports

// Group counts the records of a topic by their fate in a group of consumers. The counts of records belong to the window in
// which a separate reader found the record, the others to the window in which they happened. The documentation of package
// groups defines each. null: not known.
type Group struct {
	Records     int64 `json:"records"`     // in the topic
	Processed   int64 `json:"processed"`   // records of these that some member processed
	Unprocessed int64 `json:"unprocessed"` // records that the group had not reached when observation was over
	// Lost were processed by no member, and the group has committed a higher offset.
	Lost *int64 `json:"group_lost"`
	// Redelivered counts processings of a record beyond its first, RedeliveredRecords the records.
	Redelivered        *int64 `json:"redelivered"`
	RedeliveredRecords *int64 `json:"redelivered_records"`
	Rebalances         int64  `json:"rebalances"` // the rise of the brokers' count of generations
	Joins              int64  `json:"joins"`      // members that joined, the first ones included
	Leaves             int64  `json:"leaves"`     // in good order
	Freezes            int64  `json:"freezes"`
	Deaths             int64  `json:"deaths"`
	// FirstMessage is the time from the begin of a rebalance to the first record that was processed after it. Unanswered counts
	// the rebalances that no record followed before the next rebalance or the end. nil without rebalances.
	FirstMessage *Latency `json:"first_message_ns"`
}

// Strike is one absence of a member of a group: it left, froze or died.
type Strike struct {
	Kind   string `json:"kind"`   // leave, freeze or die
	Member int    `json:"member"` // from 1
	AtNS   int64  `json:"at_ns"`
	BackNS *int64 `json:"back_ns"` // null: not before the end
}

// The kinds of strikes.
const (
	StrikeLeave  = "leave"
	StrikeFreeze = "freeze"
	StrikeDie    = "die"
)

// blocked checks the order and the times of a stream's blocks.
func (c *audit) blocked(name string, s *Stream) {
	for i, b := range s.Blocks {
		c.that(b.Connection > 0 && b.Why != "", "%s: block %d has no connection or no reason", name, i+1)
		c.that(b.EndNS == nil || *b.EndNS >= b.AtNS, "%s: block %d ends before it begins", name, i+1)
		c.that(i == 0 || s.Blocks[i-1].AtNS <= b.AtNS, "%s: block %d begins before the one before it", name, i+1)
	}
}

// groupCounts names the counts of Group as the record does, in the order in which reports show them.
var groupCounts = []struct {
	name string
	of   func(*Group) *int64
}{
	{"records", func(g *Group) *int64 { return &g.Records }},
	{"processed", func(g *Group) *int64 { return &g.Processed }},
	{"unprocessed", func(g *Group) *int64 { return &g.Unprocessed }},
	{"group_lost", func(g *Group) *int64 { return g.Lost }},
	{"redelivered", func(g *Group) *int64 { return g.Redelivered }},
	{"redelivered_records", func(g *Group) *int64 { return g.RedeliveredRecords }},
	{"rebalances", func(g *Group) *int64 { return &g.Rebalances }},
	{"joins", func(g *Group) *int64 { return &g.Joins }},
	{"leaves", func(g *Group) *int64 { return &g.Leaves }},
	{"freezes", func(g *Group) *int64 { return &g.Freezes }},
	{"deaths", func(g *Group) *int64 { return &g.Deaths }},
}

// GroupGauges are the gauges of a group. One is the number of offsets by which its members are behind the end of the topic. The
// other is the age of the oldest record that the members have not reached. Each is the highest value since the reading before.
func GroupGauges() []string { return []string{"group_lag", "group_lag_seconds"} }

// GroupNames lists the counts of Group by their names in the record, in the order in which reports show them.
func GroupNames() []string {
	names := make([]string, len(groupCounts))
	for i := range groupCounts {
		names[i] = groupCounts[i].name
	}
	return names
}

// Count returns the count of that name, nil when it is not known; g may be nil.
func (g *Group) Count(name string) *int64 {
	if g == nil {
		return nil
	}
	for _, c := range groupCounts {
		if c.name == name {
			return c.of(g)
		}
	}
	return nil
}

// grouped checks the counts of a group's records: the windows add up, and every record has one end.
func (c *audit) grouped(name string, s *Stream) {
	if s.Total.Group == nil {
		return
	}
	c.group(name+" total", s.Total.Group)
	struck := make(map[string]int64)
	for _, strike := range s.Strikes {
		struck[strike.Kind]++
		c.that(strike.BackNS == nil || *strike.BackNS >= strike.AtNS, "%s: member %d is back before it is struck", name, strike.Member)
	}
	g := s.Total.Group
	c.that(struck[StrikeLeave] == g.Leaves && struck[StrikeFreeze] == g.Freezes && struck[StrikeDie] == g.Deaths,
		"%s: %d leaves, %d freezes and %d deaths are not the strikes %v", name, g.Leaves, g.Freezes, g.Deaths, struck)
	for _, count := range GroupNames() {
		total := s.Total.Group.Count(count)
		if total == nil {
			continue
		}
		var sum int64
		for _, window := range sortedKeys(s.Windows) {
			if n := s.Windows[window].Group.Count(count); n != nil {
				sum += *n
			}
		}
		c.that(sum == *total, "%s: %s of the windows come to %d, the total is %d", name, count, sum, *total)
	}
	for _, window := range sortedKeys(s.Windows) {
		if g := s.Windows[window].Group; g != nil {
			c.group(name+" in "+window, g)
		}
	}
}

func (c *audit) group(where string, g *Group) {
	lost := int64(0)
	if g.Lost != nil {
		lost = *g.Lost
	}
	c.that(g.Processed+lost+g.Unprocessed == g.Records, "%s: %d processed, %d lost and %d unprocessed are not %d records", where, g.Processed, lost, g.Unprocessed, g.Records)
	if g.Redelivered != nil && g.RedeliveredRecords != nil {
		c.that(*g.RedeliveredRecords <= *g.Redelivered, "%s: %d records redelivered %d times", where, *g.RedeliveredRecords, *g.Redelivered)
	}
	for _, name := range GroupNames() {
		if n := g.Count(name); n != nil {
			c.that(*n >= 0, "%s: %s is below 0", where, name)
		}
	}
	c.latency(where+": first message", g.FirstMessage, -1)
}
