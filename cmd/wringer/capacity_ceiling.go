package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"wringer/drivers"
	"wringer/drivers/grpc"
	"wringer/drivers/kafka"
	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/capacity"
	"wringer/scenarios/capacity/null"
	"wringer/scenarios/runner"
)

// The calibration: a closed model first, then arrivals above what that reached, until they are not met any more.
const (
	calibrateFor   = 1500 * time.Millisecond
	calibrateAbove = 1.5
	calibrateRuns  = 5
	met            = 0.95
)

// Ceiling implements capacity.Calibrator.
func (p *capacityPlayer) Ceiling(ctx context.Context, axis *capacity.Axis) (perSecond float64, why string, err error) {
	dir, err := os.MkdirTemp("", "wringer-null-")
	if err != nil {
		return 0, err.Error(), ctx.Err()
	}
	defer os.RemoveAll(dir)
	authority, err := null.NewAuthority(dir)
	if err != nil {
		return 0, err.Error(), ctx.Err()
	}
	groups, why := p.nullGroups(axis, authority)
	if why != "" {
		return 0, why, nil
	}
	ways := make(map[string]*runner.Null)
	for kind, streams := range groups {
		t, err := kind.start(streams, authority)
		if err != nil {
			return 0, err.Error(), ctx.Err()
		}
		defer t.Close()
		for _, s := range streams {
			ways[s.name] = &runner.Null{Config: s.config, Through: func(dial drivers.DialFunc) drivers.DialFunc { return t.Through(dial, s.upstream) }}
		}
	}
	return p.climb(ctx, axis, ways)
}

// nullKind is what streams share that one null target serves.
type nullKind struct {
	driver string
	secure bool
}

// nullStream is a stream that is led to a null target.
type nullStream struct {
	name     string
	config   drivers.Config // for the null target
	upstream *tls.Config    // how the real target is asked; nil: without TLS
}

// nullGroups are the scaled streams by the null target that they need. why says why there is none for one; empty: there is.
func (p *capacityPlayer) nullGroups(axis *capacity.Axis, authority *null.Authority) (groups map[nullKind][]nullStream, why string) {
	groups = make(map[nullKind][]nullStream)
	for _, name := range axis.Streams {
		s := p.scenario.Stream(name)
		nullable, ok := s.Driver.(drivers.Nullable)
		if !ok || nulls[s.DriverName] == nil {
			return nil, "there is no null target for " + s.DriverName
		}
		config := nullable.Null(authority.File())
		if config == nil {
			return nil, fmt.Sprintf("stream %s: its operations need what the real target alone answers", name)
		}
		upstream, err := p.upstream(s.Driver)
		if err != nil {
			return nil, fmt.Sprintf("stream %s: %v", name, err)
		}
		kind := nullKind{s.DriverName, s.Describe().TLS}
		groups[kind] = append(groups[kind], nullStream{name, config, upstream})
	}
	return groups, ""
}

// upstream is how the real target is asked for the descriptors of gRPC; nil: without TLS, or not at all.
func (p *capacityPlayer) upstream(c drivers.Config) (*tls.Config, error) {
	g, ok := c.(*grpc.Config)
	if !ok || g.TLS == nil {
		return nil, nil
	}
	config, err := g.TLS.Load(filepath.Dir(p.scenario.Path))
	if err == nil {
		config.NextProtos = []string{"h2"}
	}
	return config, err
}

// start starts the null target of some streams.
func (k nullKind) start(streams []nullStream, authority *null.Authority) (*null.Target, error) {
	var all []drivers.Config
	for _, s := range streams {
		all = append(all, s.config)
	}
	return nulls[k.driver](authority, all)
}

// nullKafka is a null broker with the topics of some streams, which all speak TLS, or none does. It keeps records where one of them is
// replied to.
func nullKafka(authority *null.Authority, all []drivers.Config) (*null.Target, error) {
	var topics []string
	keep, secure := false, false
	for _, c := range all {
		secure = secure || c.Describe().TLS
		if k, ok := c.(*kafka.Config); ok {
			topics = append(topics, k.Topic)
			keep = keep || k.Reply != nil
		}
	}
	if !secure {
		authority = nil
	}
	slices.Sort(topics)
	return null.Kafka(authority, keep, slices.Compact(topics)...)
}

// climb raises the load until it is not met.
func (p *capacityPlayer) climb(ctx context.Context, axis *capacity.Axis, ways map[string]*runner.Null) (best float64, why string, err error) {
	for i := range calibrateRuns {
		rates := make(map[string]*scenarios.Rate)
		asked := calibrateAbove * best
		for name, part := range axis.Parts(asked) {
			rates[name] = &scenarios.Rate{Constant: math.Min(part, scenarios.MaxRate)}
			if i == 0 {
				rates[name] = &scenarios.Rate{Max: true}
			}
		}
		run, err := p.experiment.Play(ctx, runner.Step{Dir: p.free("generator"), Rates: rates, Null: ways, Duration: cmp.Or(p.nullFor, calibrateFor)})
		if err != nil || ctx.Err() != nil {
			return best, "the null target cannot be reached: " + fmt.Sprint(err), ctx.Err()
		}
		answered := p.answeredRate(run)
		if i == 0 && answered == 0 {
			return 0, "nothing was answered by the null target: " + run.Headline(), nil
		}
		best = max(best, answered)
		if i > 0 && answered < met*asked || axis.Users {
			break
		}
	}
	return best, "", nil
}

// answeredRate is the number of operations that were answered a second. A chain counts where each of its steps was.
func (p *capacityPlayer) answeredRate(run *reports.Run) (sum float64) {
	for name, s := range run.Streams {
		n := float64(s.Total.Sent)
		if r := s.Total.Response; r != nil && r.Unanswered != nil {
			n = float64(s.Total.Offered) - *r.Unanswered
		}
		if len(p.scenario.Stream(name).Describe().Steps) > 0 {
			n = float64(s.Total.Acked)
		}
		sum += n
	}
	if run.DurationNS == 0 {
		return 0
	}
	return sum / time.Duration(run.DurationNS).Seconds()
}
