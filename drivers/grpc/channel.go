package grpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // the codec of compression: gzip
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"wringer/drivers"
	"wringer/drivers/payload"
)

// Keepalive is the `keepalive:` part: pings that detect a dead connection while it carries no data.
type Keepalive struct {
	Time         time.Duration `yaml:"time" jsonschema:"required" jsonschema_description:"Silence after which the target is pinged; 10s and more, gRPC's own bound. A target may refuse frequent pings with GOAWAY."`
	Timeout      time.Duration `yaml:"timeout" jsonschema_description:"How long a ping may go unanswered before the connection counts as dead. Default 20s."`
	WithoutCalls bool          `yaml:"without_calls" jsonschema_description:"Ping also while no call is under way."`
}

// Health is the `health:` part. The driver asks the target by grpc.health.v1 before traffic begins.
type Health struct {
	Service string        `yaml:"service" jsonschema_description:"The service to ask for. Default: the target as a whole."`
	Wait    time.Duration `yaml:"wait" jsonschema_description:"How long the target may take to be serving. Default 10s."`
}

const (
	balancePickFirst  = "pick_first"
	balanceRoundRobin = "round_robin"
	compressionGzip   = "gzip"

	leastKeepalive    = 10 * time.Second // gRPC raises smaller values to this
	defaultHealthWait = 10 * time.Second
	maxHealthWait     = 10 * time.Minute
	healthInterval    = 100 * time.Millisecond
	defaultMaxHeaders = 1 << 20
	maxHeaders        = 64 << 20
)

// checkChannel checks how connections are made and used.
func (c *Config) checkChannel(problem func(field, message string)) {
	if k := c.Keepalive; k != nil && k.Time < leastKeepalive {
		problem("keepalive.time", fmt.Sprintf("must be %s or more: gRPC pings no more often", leastKeepalive))
	}
	if h := c.Health; h != nil && (h.Wait < 0 || h.Wait > maxHealthWait) {
		problem("health.wait", fmt.Sprintf("must be at most %s", maxHealthWait))
	}
	if c.Compression != "" && c.Compression != "none" && c.Compression != compressionGzip {
		problem("compression", fmt.Sprintf("%q is not one of none, gzip", c.Compression))
	}
	switch c.Balance {
	case "", balancePickFirst, balanceRoundRobin:
	default:
		problem("balance", fmt.Sprintf("%q is not one of pick_first, round_robin", c.Balance))
	}
	if c.MaxHeaders < 0 || c.MaxHeaders > maxHeaders {
		problem("max_headers", fmt.Sprintf("must be at most %s", drivers.Bytes(maxHeaders)))
	}
	if _, err := c.serviceConfig(); err != nil {
		problem("service_config", err.Error())
	}
}

// serviceConfig writes gRPC's service config; "" if all settings have their defaults.
func (c *Config) serviceConfig() (string, error) {
	fields := map[string]any{}
	if c.ServiceConfig != nil {
		var err error
		if fields, err = payload.Map(c.ServiceConfig); err != nil {
			return "", err
		}
	}
	if c.Balance != "" {
		for _, name := range []string{"loadBalancingConfig", "loadBalancingPolicy"} {
			if fields[name] != nil {
				return "", errors.New("names a load balancing policy, and so does balance; keep one of the two")
			}
		}
		// A copy, because the scenario's own map must not change.
		own := map[string]any{"loadBalancingConfig": []any{map[string]any{c.Balance: map[string]any{}}}}
		for name, value := range fields {
			own[name] = value
		}
		fields = own
	}
	if len(fields) == 0 {
		return "", nil
	}
	text, err := json.Marshal(jsonTree(fields))
	return string(text), err
}

// jsonTree converts the maps of YAML to maps with string keys, which JSON needs.
func jsonTree(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = jsonTree(v[i])
		}
		return out
	case map[string]any, map[any]any:
		fields, _ := payload.Map(v) // the caller checked that v is a map
		out := make(map[string]any, len(fields))
		for name, value := range fields {
			out[name] = jsonTree(value)
		}
		return out
	}
	return v
}

// retries reports whether the service config lets gRPC retry.
func (c *Config) retries() bool { return c.ServiceConfig != nil }

// channelOptions are the dial options of the fields that checkChannel checks.
func (c *Config) channelOptions() ([]grpc.DialOption, error) {
	// The service config of the target's name service is ignored: the scenario alone decides.
	options := []grpc.DialOption{grpc.WithDisableServiceConfig(), grpc.WithMaxHeaderListSize(c.maxHeaders())}
	config, err := c.serviceConfig()
	if err != nil {
		return nil, err
	}
	if config != "" {
		options = append(options, grpc.WithDefaultServiceConfig(config))
	}
	if !c.retries() {
		options = append(options, grpc.WithDisableRetry())
	}
	if k := c.Keepalive; k != nil {
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: k.Time, Timeout: k.Timeout, PermitWithoutStream: k.WithoutCalls}))
	}
	return options, nil
}

func (c *Config) maxHeaders() uint32 {
	if c.MaxHeaders > 0 {
		return uint32(c.MaxHeaders)
	}
	return defaultMaxHeaders
}

func (c *Config) maxMessage() int {
	if c.MaxMessage > 0 {
		return int(c.MaxMessage)
	}
	return defaultMaxMessage
}

// targets are the addresses in target.
func (c *Config) targets() []string {
	list := strings.Split(c.Target, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// connect makes a channel. A single address is dialled by its name, through the stream's link. round_robin needs the
// addresses behind a name, so for it gRPC asks DNS.
func (c *Config) connect(options ...grpc.DialOption) (*grpc.ClientConn, error) {
	list := c.targets()
	switch {
	case len(list) > 1:
		builder := manual.NewBuilderWithScheme("list")
		var state resolver.State
		for _, address := range list {
			state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
		}
		builder.InitialState(state)
		return grpc.NewClient("list:///"+list[0], append(options[:len(options):len(options)], grpc.WithResolvers(builder))...)
	case c.Balance == balanceRoundRobin:
		return grpc.NewClient("dns:///"+list[0], options...)
	}
	return grpc.NewClient("passthrough:///"+list[0], options...)
}

// awaitHealth asks the target until it reports SERVING.
func (c *Config) awaitHealth(ctx context.Context, conn *grpc.ClientConn) error {
	wait := c.Health.Wait
	if wait == 0 {
		wait = defaultHealthWait
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	tick := time.NewTicker(healthInterval)
	defer tick.Stop()
	last := "no answer"
	for {
		answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: c.Health.Service})
		switch {
		case err == nil && answer.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING:
			return nil
		case status.Code(err) == codes.Unimplemented:
			return fmt.Errorf("%w: health: the target does not serve grpc.health.v1; take health away", drivers.ErrConfig)
		case status.Code(err) == codes.NotFound:
			last = "service " + c.Health.Service + " is not known to it"
		case err == nil:
			last = answer.GetStatus().String()
		case status.Code(err) != codes.DeadlineExceeded: // a deadline says nothing about the target
			last = err.Error()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: health: not serving within %s: %s", drivers.ErrUnreachable, wait, last)
		}
	}
}
