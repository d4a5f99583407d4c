package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"wringer/reports"
	"wringer/reports/prometheus"
	"wringer/scenarios/runner"
)

// telemetry shows the runs of a command to Prometheus, and to a collector of OpenTelemetry. Without its flags and variables it does
// nothing.
type telemetry struct {
	address string        // of --prometheus
	push    string        // of --prometheus-rw
	every   time.Duration // of --prometheus-rw-every

	exporter *prometheus.Exporter // nil: nobody asked
	pusher   *prometheus.Pusher   // nil: nothing is pushed
	otlp     collector
	last     prometheus.State // of the run
}

func (t *telemetry) flags(flags *pflag.FlagSet) {
	flags.StringVar(&t.address, "prometheus", "", "serve /metrics for Prometheus while the command runs, at `HOST:PORT`; port 0 is a free one, and without a host it is 127.0.0.1")
	flags.StringVar(&t.push, "prometheus-rw", "", "push the same metrics to a receiver of Prometheus remote write, `URL`")
	flags.DurationVar(&t.every, "prometheus-rw-every", 5*time.Second, "the time between two pushes of --prometheus-rw")
}

// open serves and pushes what the flags ask for. The caller calls done at the end of the command.
func (t *telemetry) open(ctx context.Context, f *runFlags, std streams) (done func(), err error) {
	if t.push != "" {
		if err := prometheus.CheckURL(t.push); err != nil {
			return nil, usage("--prometheus-rw: %w", err)
		}
	}
	if t.every < time.Second {
		return nil, usage("--prometheus-rw-every %s: must be at least 1s: metrics change once a second", t.every)
	}
	if err := t.otlp.read(); err != nil {
		return nil, err
	}
	if t.address != "" || t.push != "" || t.otlp.settings.Metrics.On {
		t.exporter = prometheus.New()
	}
	stop := func() {}
	if t.address != "" {
		if stop, err = t.serve(ctx, std); err != nil {
			return nil, err
		}
	}
	if t.push != "" {
		t.pusher, err = prometheus.Push(prometheus.PushConfig{
			URL: t.push, Gather: t.exporter.Gather, Every: t.every, Agent: "wringer/" + version(),
			Failed: func(err error) { f.logger(std.err).Warn(err.Error()) },
		})
		if err != nil {
			stop()
			return nil, usage("--prometheus-rw: %w", err)
		}
	}
	if err := t.otlp.open(ctx, f, std, t.exporter.Gather); err != nil {
		stop()
		t.close(ctx, std)
		return nil, err
	}
	return func() {
		stop()
		t.close(ctx, std)
		t.otlp.close(ctx, std)
	}, nil
}

// serve answers scrapes until stop is called.
func (t *telemetry) serve(ctx context.Context, std streams) (stop func(), err error) {
	host, port, err := net.SplitHostPort(t.address)
	if err != nil {
		return nil, usage("--prometheus %s: write HOST:PORT, as in 127.0.0.1:0", t.address)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port))
	if err != nil {
		return nil, usage("--prometheus %s: %w: name another address", t.address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", t.exporter.Handler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
	fmt.Fprintf(std.err, "metrics: http://%s/metrics\n", l.Addr())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintf(std.err, "warning: --prometheus: %v\n", err)
		}
	}()
	return func() {
		_ = server.Close() // a scrape under way is of no use any more
		<-done
	}, nil
}

// pushPatience is how long the end of the command may wait for the receiver.
const pushPatience = 3 * time.Second

// close pushes a last time, also after an interrupt, and tells what failed.
func (t *telemetry) close(ctx context.Context, std streams) {
	if t.pusher == nil {
		return
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), pushPatience)
	defer cancel()
	if err := t.pusher.Close(end); err != nil {
		fmt.Fprintf(std.err, "warning: --prometheus-rw: %v\n", err)
	}
}

// begin forgets the run before.
func (t *telemetry) begin() {
	if t.exporter != nil {
		t.last = prometheus.State{}
		t.exporter.Take(nil)
	}
}

// show takes a partial record.
func (t *telemetry) show(run *reports.Run, p runner.Progress) {
	s := stateOf(run, p)
	t.last = s
	t.exporter.Take(&s)
}

// final takes the record of a run that is over.
func (t *telemetry) final(run *reports.Run) {
	if t.exporter == nil {
		return
	}
	s := t.last
	s.Run, s.Over, s.Window, s.At = run, true, "", time.Duration(run.DurationNS)
	s.Faults, s.Streams = slices.Clone(s.Faults), slices.Clone(s.Streams)
	for i := range s.Faults {
		s.Faults[i].InForce = false
	}
	for i := range s.Streams {
		s.Streams[i].InFlight = 0
	}
	t.exporter.Take(&s)
	if t.pusher != nil {
		t.pusher.Now()
	}
	t.otlp.flush()
}

// stateOf is what Prometheus is shown of a run that goes on.
func stateOf(run *reports.Run, p runner.Progress) prometheus.State {
	s := prometheus.State{Run: run, At: p.At, Window: windowName(p)}
	for _, f := range p.Faults {
		s.Faults = append(s.Faults, prometheus.Fault{Name: f.Name, Kind: f.Kind, InForce: f.State == "in force"})
	}
	for i := range p.Streams {
		m := &p.Streams[i]
		s.Streams = append(s.Streams, prometheus.Stream{Name: m.Name, InFlight: m.InFlight, Lag: m.Lag, Response: m.Response, Observed: m.Observed, Live: m.Live})
	}
	return s
}
