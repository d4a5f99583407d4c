package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/series"
	"wringer/scenarios"
)

// scraper reads one entry of `observe` while a step is played. It has a goroutine, a client and connections of its own.
type scraper struct {
	spec    *scenarios.Observed
	source  drivers.SeriesSource
	account *series.Account
}

// openScrapers opens what the scenario observes. Nothing is read yet.
func (s *step) openScrapers() error {
	env := drivers.SeriesEnv{
		Direct: drivers.DialFunc(s.bounds.checked(s.direct)), Beside: drivers.DialFunc(s.bounds.checked(s.opt.Network.Dial)), Files: filepath.Dir(s.sc.Path),
	}
	for i := range s.sc.Observe {
		spec := &s.sc.Observe[i]
		source, err := spec.Config.Open(env)
		if err != nil {
			err = fmt.Errorf("observe.%s: %w", spec.Name, err)
			if errors.Is(err, drivers.ErrConfig) {
				return scenarioError{err}
			}
			return err
		}
		s.opened.add(source.Close)
		d := spec.Config.Describe()
		s.scrapers = append(s.scrapers, &scraper{spec, source, series.New(d.Every, d.Series)})
	}
	return nil
}

// lastReading bounds the reading at the end of a run.
const lastReading = time.Second

// scrape reads what is observed, from now on until end is called. end reads once more, so that the last rise of a counter is known, and
// waits until no reading is under way. It is idempotent. An interrupted run reads no more.
func (s *step) scrape(ctx context.Context) (end func()) {
	reading, stop := context.WithCancel(context.WithoutCancel(ctx))
	var all sync.WaitGroup
	for _, o := range s.scrapers {
		all.Go(func() { o.run(reading, s.clock) })
	}
	return sync.OnceFunc(func() {
		stop()
		all.Wait()
		if ctx.Err() == nil {
			last, cancel := context.WithTimeout(ctx, lastReading)
			defer cancel()
			for _, o := range s.scrapers {
				all.Go(func() { o.read(last, s.clock) })
			}
			all.Wait()
		}
		for _, o := range s.scrapers {
			o.account.Close(s.clock() + 1)
		}
	})
}

// run reads until ctx ends. A reading that takes longer than its time leaves out those that would have begun meanwhile.
func (o *scraper) run(ctx context.Context, clock func() time.Duration) {
	ticker := time.NewTicker(o.spec.Config.Describe().Every)
	defer ticker.Stop()
	for {
		o.read(ctx, clock)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// read reads once. A reading that ctx cuts off is none.
func (o *scraper) read(ctx context.Context, clock func() time.Duration) {
	from := clock()
	all, err := o.source.Read(ctx)
	if ctx.Err() != nil && err != nil {
		return
	}
	o.account.Add(from, clock(), all, err)
}

// observed is the part of the record that tells what the target said of itself; nil where nothing is observed.
func (s *step) observed() map[string]*reports.Observed {
	if len(s.scrapers) == 0 {
		return nil
	}
	out := make(map[string]*reports.Observed, len(s.scrapers))
	for _, o := range s.scrapers {
		out[o.spec.Name] = o.account.Record(o.spec.Config.Describe().Place)
	}
	return out
}

// accounts are those of what is observed, by entry.
func (s *step) accounts() map[string]*series.Account {
	out := make(map[string]*series.Account, len(s.scrapers))
	for _, o := range s.scrapers {
		out[o.spec.Name] = o.account
	}
	return out
}
