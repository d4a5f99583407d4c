package watch

import (
	"context"
	"time"

	"wringer/drivers"
	"wringer/reports/groups"
)

// Group is a group of consumers that reads beside the reader of a topic.
type Group struct {
	Group   drivers.Group
	Account *groups.Account
	Length  time.Duration // of the measured part

	stop context.CancelFunc
	// over is closed when the members have left; err is the reason why none of them could read.
	over chan struct{}
	err  error
}

// run lets the members join.
func (g *Group) run(ctx context.Context) {
	ctx, g.stop = context.WithCancel(ctx)
	g.over = make(chan struct{})
	go func() {
		defer close(g.over)
		g.err = g.Group.Run(ctx, g.Length, g.Account.Happened)
	}()
}

// settle lets the members finish their current records and leave, and asks for their committed offsets. The topic was read to
// its end before.
func (g *Group) settle(ctx context.Context) {
	g.Account.Closing()
	g.stop()
	<-g.over
	var end groups.End
	if g.err != nil {
		end.Failed = g.err.Error()
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), catchUpLimit)
	defer cancel()
	var err error
	if end.Committed, err = g.Group.Settled(bounded); err != nil {
		end.Why = err.Error()
	}
	g.Account.Left(end)
}

// close ends the members, if they are still there, and frees the group.
func (g *Group) close() error {
	if g.stop != nil {
		g.stop()
		<-g.over
	}
	return g.Group.Close()
}
