package scenarios

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers"
	"wringer/drivers/scrape"
	"wringer/drivers/witness"
	"wringer/faults"
	"wringer/reports/recordtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The language of these tests: stand-ins with the shapes of real drivers. They open nothing.

var errStandIn = errors.New("a stand-in opens nothing")

type webConfig struct {
	Request string            `yaml:"request" jsonschema:"required" jsonschema_description:"METHOD URL"`
	Headers map[string]string `yaml:"headers"`
	Body    string            `yaml:"body"`
	OK      []string          `yaml:"ok"`
	Checks  []webCheck        `yaml:"checks"`
	Keep    *bool             `yaml:"keepalive"`
	MaxBody drivers.Bytes     `yaml:"max_body"`
	Weight  float64           `yaml:"weight"`
	Mode    string            `yaml:"mode" jsonschema:"enum=fast,enum=slow"`
	Modes   []string          `yaml:"modes" jsonschema:"enum=fast,enum=slow"`
	TLS     struct {
		CA string `yaml:"ca"`
	} `yaml:"tls"`

	parsed *url.URL
}

type webCheck struct {
	JSON map[string]any `yaml:"json"`
	Size string         `yaml:"size"`
}

func (c *webConfig) Check(problem func(field, message string)) {
	_, address, _ := strings.Cut(c.Request, " ")
	if strings.Contains(address, "${") {
		return
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		problem("request", "the URL has no host")
		return
	}
	c.parsed = u
	for name := range c.Headers {
		if strings.Contains(name, " ") {
			problem("headers."+name, "a header's name holds no blank")
		}
	}
	for i, check := range c.Checks {
		if check.Size == "big" {
			problem(fmt.Sprintf("checks[%d].size", i), "big is no size")
		}
	}
}

func (*webConfig) Open(context.Context, drivers.Env) (drivers.Driver, error) { return nil, errStandIn }

type callConfig struct {
	Target  string   `yaml:"target" jsonschema:"required"`
	Message any      `yaml:"message"`
	Replies int      `yaml:"replies"`
	Steps   []string `yaml:"steps"`
	Checks  []string `yaml:"checks"`
}

func (c *callConfig) Describe() drivers.Description {
	return drivers.Description{Messages: drivers.MessageTelling{Streams: c.Replies > 0, Counted: c.Replies > 0}, Steps: c.Steps, CheckNames: c.Checks,
		StatusPrefix: "http_", Codes: []string{"grpc_unavailable"}, Acks: []drivers.Statuses{{Low: 200, High: 200}}}
}

func (*callConfig) Check(func(field, message string))                         {}
func (*callConfig) Open(context.Context, drivers.Env) (drivers.Driver, error) { return nil, errStandIn }

type shared struct {
	Brokers string `yaml:"brokers" jsonschema:"required"`
	Topic   string `yaml:"topic" jsonschema:"required"`
}

type logConfig struct {
	shared `yaml:",inline"`
	Verify *bool `yaml:"verify"`
}

func (*logConfig) Check(func(field, message string))                         {}
func (*logConfig) Open(context.Context, drivers.Env) (drivers.Driver, error) { return nil, errStandIn }
func (c *logConfig) Describe() drivers.Description {
	return drivers.Description{Verifies: c.Verify == nil || *c.Verify, Peers: true}
}

func (*logConfig) CheckBranch(text string) error { return checkLogBranch(text) }

// checkLogBranch: a log's peers are broker-2, or leader(TOPIC,PARTITION).
func checkLogBranch(text string) error {
	if !regexp.MustCompile(`^(broker-\d+|leader\(\w+,\d+\))$`).MatchString(text) {
		return fmt.Errorf("%q is no broker: write broker-2", text)
	}
	return nil
}

type logEffect struct {
	shared `yaml:",inline"`
	ID     string `yaml:"id"`
	Key    string `yaml:"key"`
}

func (*logEffect) Check(func(field, message string))                         {}
func (*logEffect) Describe() drivers.SourceDescription                       { return drivers.SourceDescription{} }
func (*logEffect) Open(context.Context, drivers.Env) (drivers.Source, error) { return nil, errStandIn }

type logConsume struct {
	shared   `yaml:",inline"`
	Sequence string `yaml:"sequence"`
	Workers  int    `yaml:"workers"`
}

func (*logConsume) OpenGroup(drivers.Env) (drivers.Group, error)              { return nil, errStandIn }
func (*logConsume) Check(func(field, message string))                         {}
func (*logConsume) Open(context.Context, drivers.Env) (drivers.Source, error) { return nil, errStandIn }
func (c *logConsume) Describe() drivers.SourceDescription {
	return drivers.SourceDescription{Gauges: []string{"lag"}, Sequenced: c.Sequence != "", Grouped: c.Workers > 0}
}

type mallConfig struct {
	Defects []string `yaml:"defects" jsonschema:"enum=hang,enum=unordered"`
	Port    int      `yaml:"port" jsonschema:"minimum=0"`
	Stock   string   `yaml:"stock"`
}

func (*mallConfig) Check(func(field, message string))                {}
func (*mallConfig) Variables() []string                              { return []string{"web", "call", "log"} }
func (*mallConfig) PartNames() []string                              { return []string{"orders", "stock"} }
func (*mallConfig) Start(context.Context, TargetEnv) (Target, error) { return nil, errStandIn }

type linkFault struct {
	Link      string        `yaml:"link" jsonschema:"required"`
	Latency   time.Duration `yaml:"latency"`
	Partition string        `yaml:"partition" jsonschema:"enum=both,enum=from-target,enum=to-target"`
	Loss      drivers.Ratio `yaml:"loss"`
}

func (f *linkFault) Check(problem func(field, message string)) {
	if f.Latency == 0 && f.Partition == "" {
		problem("", "breaks nothing; give latency or partition")
	}
}
func (*linkFault) Kind() string                          { return "link" }
func (*linkFault) Describe() faults.Description          { return faults.Description{} }
func (f *linkFault) On() faults.Place                    { return faults.Place{Link: f.Link} }
func (*linkFault) Open(faults.Env) (faults.Fault, error) { return nil, errStandIn }

type logLink struct {
	Listen    string `yaml:"listen"`
	Bootstrap string `yaml:"bootstrap" jsonschema:"required"`
}

func (*logLink) Check(func(field, message string))               {}
func (l *logLink) Ends() (listen, upstream string)               { return l.Listen, l.Bootstrap }
func (*logLink) Prepare(faults.Link, string, *slog.Logger) error { return errStandIn }
func (*logLink) CheckBranch(text string) error                   { return checkLogBranch(text) }
func (*logLink) Peers(faults.Link, func(context.Context) ([]string, error), faults.DialFunc) (faults.Peers, error) {
	return nil, errStandIn
}

type partFault struct {
	Pause string        `yaml:"pause"`
	Kill  string        `yaml:"kill"`
	Every time.Duration `yaml:"every"`
}

func (*partFault) Check(func(field, message string))     {}
func (*partFault) Kind() string                          { return "part" }
func (*partFault) Describe() faults.Description          { return faults.Description{} }
func (f *partFault) On() faults.Place                    { return faults.Place{Part: f.Pause + f.Kill} }
func (f *partFault) Excludes(other faults.Config) bool   { return f.On() == other.On() }
func (*partFault) Open(faults.Env) (faults.Fault, error) { return nil, errStandIn }

func testLanguage() Language {
	return Language{
		Metrics: recordtest.Metrics(),
		Drivers: map[string]func() drivers.Config{
			"rest":  func() drivers.Config { return new(webConfig) },
			"grpc":  func() drivers.Config { return new(callConfig) },
			"kafka": func() drivers.Config { return new(logConfig) },
		},
		Effects: map[string]func() drivers.SourceConfig{"kafka": func() drivers.SourceConfig { return new(logEffect) }},
		Consume: map[string]func() drivers.SourceConfig{"kafka": func() drivers.SourceConfig { return new(logConsume) }},
		Targets: map[string]func() TargetConfig{"mall": func() TargetConfig { return new(mallConfig) }},
		Links:   map[string]func() faults.Protocol{"kafka": func() faults.Protocol { return new(logLink) }},

		Observe:   func() drivers.SeriesConfig { return new(scrape.Config) },
		RequestID: witness.CheckPlace,
		Faults: map[string]func() faults.Config{
			"link":  func() faults.Config { return new(linkFault) },
			"pause": func() faults.Config { return new(partFault) },
			"kill":  func() faults.Config { return new(partFault) },
		},
	}
}

func testOptions() Options {
	env := map[string]string{"TOKEN": "tok/en secret", "PIN": "12", "HOST": "example.test"}
	return Options{
		Set: map[string]string{"rate": "400/s", "users": "7", "tail": "ends in $", "odd": "${mall.web}", "length": "20s"},
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}
}

// head is the beginning of a scenario whose one stream is still to be written.
const head = "name: t\nrun: {duration: 10s}\n"

func parse(t *testing.T, src string) (*Scenario, error) {
	t.Helper()
	return Parse("t.yaml", []byte(src), testLanguage(), testOptions())
}

func mustParse(t *testing.T, src string) *Scenario {
	t.Helper()
	s, err := parse(t, src)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, src)
	}
	return s
}
