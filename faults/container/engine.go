package container

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
)

// Engine is a connection to a container engine. It is safe for concurrent use.
type Engine struct {
	*client.Client
	// Provider creates containers and builds images in the engine.
	Provider *testcontainers.DockerProvider
	// Endpoint is the URL of the engine's API.
	Endpoint string
	// Name tells the engine, its version, its endpoint, and what named that.
	Name string
	// Elsewhere says that the engine counts as one on another machine, although it may be on this one.
	Elsewhere bool
	// platform is what the engine's containers run on, once it was asked: Podman takes seconds to tell it.
	platform atomic.Pointer[platform]
	// noPodman says that the engine does not know Podman's own requests.
	noPodman atomic.Bool
	// hosts are the hosts on which published ports may be reached, the likeliest first.
	hosts []string
}

const (
	// connectLimit bounds the search for an engine: a user who has none learns so within a second.
	connectLimit = 900 * time.Millisecond
	// answerLimit bounds the answer of one that takes connections: on a busy machine an engine takes seconds. Behind a port may be
	// anything: there answerAwayLimit bounds the first answer.
	answerLimit     = 15 * time.Second
	answerAwayLimit = 2 * time.Second
	// tellAfter is how long an engine may take to answer before the wait for it is told.
	tellAfter = 500 * time.Millisecond
)

// ErrNoEngine says that no container engine answers.
var ErrNoEngine = errors.New("no container engine answers")

// Open connects to the engine that DOCKER_HOST, DOCKER_CONTEXT, the Docker command's current context or a usual socket names.
// An engine that DOCKER_HOST or a context names is the only one tried. ctx bounds the search; without a listener it ends within a
// second, with a port that does not answer after answerAwayLimit, and with such a socket after answerLimit.
func Open(ctx context.Context) (*Engine, error) { return Search{}.Open(ctx) }

// Search is a search for an engine.
type Search struct {
	// Slow is called, from another goroutine, with an endpoint that has not answered for half a second. May be nil.
	Slow func(where string)
}

// Open is the function Open.
func (s Search) Open(ctx context.Context) (*Engine, error) {
	candidates, err := endpoints()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoEngine, err)
	}
	return s.first(ctx, candidates)
}

// first connects to the first of the endpoints at which an engine answers.
func (s Search) first(ctx context.Context, candidates []endpoint) (*Engine, error) {
	var tried []string
	for _, e := range candidates {
		found, absent, err := s.try(ctx, e)
		if absent == nil {
			return found, err
		}
		tried = append(tried, fmt.Sprintf("%v: %v", e, absent))
	}
	if len(tried) == 0 {
		tried = []string{"DOCKER_HOST is not set, and there is no socket of Docker, Podman or Colima"}
	}
	return nil, fmt.Errorf("%w: %s; start Docker or Podman, or name the engine in DOCKER_HOST", ErrNoEngine, strings.Join(tried, "; "))
}

// try connects to an endpoint. absent says why no engine answers there.
func (s Search) try(ctx context.Context, e endpoint) (_ *Engine, absent, err error) {
	if s.Slow != nil {
		slow := time.AfterFunc(tellAfter, func() { s.Slow(e.String()) })
		defer slow.Stop()
	}
	if absent := e.ping(ctx); absent != nil {
		return nil, absent, nil
	}
	found, err := e.open(ctx)
	return found, nil, err
}

// connect says whether anything listens at the endpoint.
func (e endpoint) connect(ctx context.Context) error {
	u, err := url.Parse(e.url)
	if err != nil {
		return err
	}
	network, address := u.Scheme, u.Path
	switch network {
	case "unix":
	case "tcp", "http", "https":
		network, address = "tcp", u.Host
	default:
		return nil // the client knows it, or says why not
	}
	c, err := (&net.Dialer{Timeout: connectLimit}).DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	return c.Close()
}

// ping asks the endpoint for its API version.
func (e endpoint) ping(ctx context.Context) error {
	if err := e.connect(ctx); err != nil {
		return err
	}
	c, err := client.New(e.options()...)
	if err != nil {
		return err
	}
	defer c.Close()
	limit := answerLimit
	if !strings.HasPrefix(e.url, "unix:") {
		limit = answerAwayLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if _, err = c.Ping(ctx, client.PingOptions{}); errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("it takes connections and does not answer within %v", limit)
	}
	return err
}

func (e endpoint) options() []client.Opt {
	opts := []client.Opt{client.WithHost(e.url)}
	if e.certs != "" {
		opts = append(opts, client.WithTLSClientConfig(e.file("ca.pem"), e.file("cert.pem"), e.file("key.pem")))
	}
	return opts
}

// open makes the engine of an endpoint that answered. testcontainers-go reads its endpoint from the environment, once.
func (e endpoint) open(ctx context.Context) (*Engine, error) {
	for name, value := range e.environment() {
		if err := os.Setenv(name, value); err != nil {
			return nil, fmt.Errorf("use the engine at %s: %w", e.url, err)
		}
	}
	c, err := client.New(e.options()...)
	if err != nil {
		return nil, fmt.Errorf("use the engine at %s: %w", e.url, err)
	}
	if _, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return nil, errors.Join(fmt.Errorf("use the engine at %s: %w", e.url, err), c.Close())
	}
	server, err := serverOf(ctx, c)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("use the engine at %s: %w", e.url, err), c.Close())
	}
	// The library asks the engine what it is, several times, and Podman takes seconds for an answer: no limit of ours is on that.
	silence()
	provider, err := testcontainers.NewDockerProvider(testcontainers.Generic2DockerOptions(testcontainers.WithLogger(silent{}))...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("use the engine at %s: %w", e.url, err), c.Close())
	}
	away, err := elsewhere()
	if err != nil {
		return nil, errors.Join(err, c.Close(), provider.Close())
	}
	return &Engine{Client: c, Provider: provider, Endpoint: e.url, Name: fmt.Sprintf("%s at %v", server, e), Elsewhere: away, hosts: e.hosts()}, nil
}

// silence keeps the library from writing to the terminal. Its logger is one variable of the process: engines may be opened side by side.
var silence = sync.OnceFunc(func() { log.SetDefault(silent{}) })

// environment is what testcontainers-go reads. Its reaper is an image of its own: labels and the journal do the reaper's work,
// so the reaper is used only where its user turned it on.
func (e endpoint) environment() map[string]string {
	env := map[string]string{"DOCKER_HOST": e.url}
	if e.certs != "" {
		env["DOCKER_CERT_PATH"], env["DOCKER_TLS_VERIFY"] = e.certs, "1"
	}
	if _, chosen := os.LookupEnv("TESTCONTAINERS_RYUK_DISABLED"); !chosen {
		env["TESTCONTAINERS_RYUK_DISABLED"] = "true"
	}
	return env
}

// hosts are the hosts on which the engine's published ports may be reached: the engine's own host; or this machine, and, where
// this process runs in a container and the engine outside of it, the gateway to the machine that runs both.
func (e endpoint) hosts() []string {
	u, err := url.Parse(e.url)
	if err == nil && u.Scheme != "unix" && u.Hostname() != "" {
		return []string{u.Hostname()}
	}
	hosts := []string{"127.0.0.1"}
	if gateway := defaultGateway(); gateway != "" && (err != nil || !servedHere(u.Path)) {
		hosts = append(hosts, gateway)
	}
	return hosts
}

// Host is the likeliest host on which published ports are reached, where the engine's networks are not this machine's own.
func (e *Engine) Host() string { return e.hosts[len(e.hosts)-1] }

// Public says that ports must be published on every address of the engine's host: this process may not reach its loopback.
func (e *Engine) Public() bool { return len(e.hosts) > 1 || e.hosts[0] != "127.0.0.1" }

// Close closes the connections to the engine. Containers stay.
func (e *Engine) Close() error { return errors.Join(e.Client.Close(), e.Provider.Close()) }

// OnThisMachine says whether address belongs to an interface of this machine: then this process can listen on it.
func OnThisMachine(address netip.Addr) bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range own {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr() == address {
			return true
		}
	}
	return false
}

// silent drops what testcontainers-go says: the target tells its own progress.
type silent struct{}

func (silent) Printf(string, ...any) {}
