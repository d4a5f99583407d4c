// Package rabbit starts nodes of RabbitMQ for tests, in folders and on ports of their own. Tests run against a real broker where
// WRINGER_AMQP_URL names one, or where WRINGER_RABBITMQ lets them start one; elsewhere they are skipped.
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(rabbit.Shared(m)) }
//
//	func TestIt(t *testing.T) { url := rabbit.URL(t) }
package rabbit

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	library "github.com/rabbitmq/amqp091-go"
)

// patience bounds each step with a broker: a busy machine takes long to start one.
const patience = 3 * time.Minute

// Shared is m with an end: the node that URL started ends after the tests.
func Shared(m interface{ Run() int }) interface{ Run() int } { return sharing{m} }

type sharing struct{ tests interface{ Run() int } }

// Run runs the tests.
func (s sharing) Run() int {
	defer func() {
		shared.Lock()
		defer shared.Unlock()
		for _, end := range slices.Backward(shared.ends) {
			end()
		}
	}()
	return s.tests.Run()
}

// shared is the node that several tests use.
var shared struct {
	sync.Mutex
	url  string
	ends []func()
}

// Settings are what nodes have beyond the usual.
type Settings struct {
	// Plugins are enabled. The distribution of RabbitMQ must hold them.
	Plugins []string
	// Config returns further lines of rabbitmq.conf. extra is a free port of the node's own; nil: none.
	Config func(extra int) string
}

// Node is a node of RabbitMQ.
type Node struct {
	// Host is the address by which other nodes reach it: each node of a cluster has one of its own on the loopback interface.
	Host string
	// Extra is the port that Settings.Config was given.
	Extra int

	name       string // of the Erlang node
	dir        string
	port       int
	environ    []string
	process    *exec.Cmd
	ended      chan struct{}
	said       *bytes.Buffer
	ctl        string // the program rabbitmqctl
	serverPath string
}

// URL is the URL of a broker for tests that only talk to it: the one that WRINGER_AMQP_URL names, or a node that all tests of the
// package share. TestMain must use Shared.
func URL(t testing.TB) string {
	t.Helper()
	if url := os.Getenv("WRINGER_AMQP_URL"); url != "" {
		return url
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.url == "" {
		dir, err := os.MkdirTemp("", "rabbit")
		if err != nil {
			t.Fatal(err)
		}
		end := func(f func()) { shared.ends = append(shared.ends, f) }
		end(func() { os.RemoveAll(dir) })
		shared.url = start(t, 1, Settings{}, dir, end)[0].URL()
	}
	return shared.url
}

// Start starts nodes of RabbitMQ on this machine, as one cluster, that end with the test.
func Start(t testing.TB, n int) []*Node { return StartWith(t, n, Settings{}) }

// StartWith is Start with further settings.
func StartWith(t testing.TB, n int, s Settings) []*Node {
	t.Helper()
	return start(t, n, s, t.TempDir(), t.Cleanup)
}

// start starts nodes in a folder. cleanup takes what ends them.
func start(t testing.TB, n int, settings Settings, home string, cleanup func(func())) []*Node {
	t.Helper()
	server := os.Getenv("WRINGER_RABBITMQ")
	switch server {
	case "":
		t.Skip("no RabbitMQ: WRINGER_AMQP_URL names no broker, and WRINGER_RABBITMQ does not name the program rabbitmq-server (1 for the installed one)")
	case "1":
		server = "/usr/lib/rabbitmq/bin/rabbitmq-server" // Debian's; the one in the path changes to a user of its own
	}
	path, err := exec.LookPath(server)
	if err != nil {
		t.Fatalf("WRINGER_RABBITMQ: %v", err)
	}
	ports := freePorts(t, 3*n+1)
	prepare(t, home, ports[0], cleanup)
	var all []*Node
	for i := range n {
		node := &Node{Host: "127.0.0.1", Extra: ports[3+3*i], dir: filepath.Join(home, strconv.Itoa(i)), port: ports[1+3*i],
			serverPath: path, ctl: filepath.Join(filepath.Dir(path), "rabbitmqctl")}
		if n > 1 {
			node.Host = fmt.Sprintf("127.0.0.%d", 11+i)
		}
		node.name = fmt.Sprintf("wringer%d-%d@%s", ports[0], i+1, node.Host)
		node.configure(t, settings, home, ports[0], ports[2+3*i], all, n)
		all = append(all, node)
		cleanup(node.Kill)
	}
	// The others join the first one as they start.
	all[0].Start(t)
	all[0].Await(t)
	for _, node := range all[1:] {
		node.Start(t)
	}
	for _, node := range all[1:] {
		node.Await(t)
	}
	if n > 1 {
		all[0].Do(t, "await_online_nodes", strconv.Itoa(n))
	}
	return all
}

// prepare makes the folder of the nodes. Erlang's port mapper outlives the nodes, and is ended with them.
func prepare(t testing.TB, home string, mapper int, cleanup func(func())) {
	t.Helper()
	cleanup(func() {
		end := exec.Command("epmd", "-kill")
		end.Env = append(os.Environ(), "ERL_EPMD_PORT="+strconv.Itoa(mapper))
		_ = end.Run() // one that never ran
	})
	if err := os.WriteFile(filepath.Join(home, ".erlang.cookie"), []byte("WRINGERTESTCOOKIE"), 0o400); err != nil {
		t.Fatal(err)
	}
}

// configure writes the files of a node that joins the first of those before it. nodes is how many there will be.
func (n *Node) configure(t testing.TB, s Settings, home string, mapper, distribution int, before []*Node, nodes int) {
	for _, dir := range []string{"data", "log"} {
		if err := os.MkdirAll(filepath.Join(n.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	plugins, config := filepath.Join(n.dir, "enabled_plugins"), filepath.Join(n.dir, "rabbitmq")
	settings := fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d\nlog.console = false\nvm_memory_high_watermark.absolute = 400MB\ndisk_free_limit.absolute = 10MB\n", n.port)
	mappers := []string{n.Host}
	if nodes > 1 {
		settings, mappers = settings+"cluster_partition_handling = pause_minority\n", nil
		for i := range nodes {
			mappers = append(mappers, fmt.Sprintf("127.0.0.%d", 11+i))
		}
	}
	if len(before) > 0 {
		settings += "cluster_formation.peer_discovery_backend = classic_config\ncluster_formation.classic_config.nodes.1 = " + before[0].name + "\n"
	}
	if s.Config != nil {
		settings += s.Config(n.Extra)
	}
	for path, text := range map[string]string{plugins: "[" + strings.Join(s.Plugins, ",") + "].\n", config + ".conf": settings} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	n.environ = append(os.Environ(), "HOME="+home, "ERL_EPMD_PORT="+strconv.Itoa(mapper), "ERL_EPMD_ADDRESS="+strings.Join(mappers, ","),
		"RABBITMQ_NODENAME="+n.name, "RABBITMQ_USE_LONGNAME=true", "RABBITMQ_NODE_PORT="+strconv.Itoa(n.port), "RABBITMQ_DIST_PORT="+strconv.Itoa(distribution),
		"RABBITMQ_MNESIA_BASE="+filepath.Join(n.dir, "data"), "RABBITMQ_LOG_BASE="+filepath.Join(n.dir, "log"), "RABBITMQ_ENABLED_PLUGINS_FILE="+plugins,
		"RABBITMQ_CONFIG_FILE="+config, "RABBITMQ_PID_FILE="+filepath.Join(n.dir, "pid"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 1:1 -kernel net_ticktime 8 -kernel inet_dist_use_interface "+n.erlangHost()+
			" -kernel inet_dist_connect_options [{ip,"+n.erlangHost()+"}]", "RABBITMQ_CTL_ERL_ARGS=+S 1:1")
}

// erlangHost is the node's address in Erlang's terms.
func (n *Node) erlangHost() string { return "{" + strings.ReplaceAll(n.Host, ".", ",") + "}" }

// Control is the command by which another program runs rabbitmqctl on the node.
func (n *Node) Control(args ...string) []string {
	command := []string{"env"}
	for _, variable := range n.environ {
		for _, name := range []string{"HOME=", "ERL_EPMD_PORT=", "RABBITMQ_CTL_ERL_ARGS="} {
			if strings.HasPrefix(variable, name) {
				command = append(command, variable)
			}
		}
	}
	return append(append(command, n.ctl, "-q", "-l", "-n", n.name), args...)
}

// Start starts a node that is not running, in a process group of its own.
func (n *Node) Start(t testing.TB) {
	t.Helper()
	n.said, n.ended = new(bytes.Buffer), make(chan struct{})
	n.process = exec.Command(n.serverPath)
	n.process.Dir = n.dir
	n.process.Env, n.process.Stdout, n.process.Stderr = n.environ, n.said, n.said
	n.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	n.process.WaitDelay = time.Second
	if err := n.process.Start(); err != nil {
		t.Fatal(err)
	}
	process, ended := n.process, n.ended
	go func() { _ = process.Wait(); close(ended) }()
}

// Await waits until the node takes connections of AMQP.
func (n *Node) Await(t testing.TB) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		conn, err := library.Dial(n.URL())
		if err == nil {
			conn.Close()
			n.Do(t, "await_startup")
			return
		}
		select {
		case <-n.ended:
			t.Fatalf("rabbitmq-server ended: %s", n.said)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("rabbitmq-server does not answer: %v", err)
		}
	}
}

// URL is where the node takes connections of AMQP.
func (n *Node) URL() string { return fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", n.port) }

// Kill ends the node at once, as kill -9 does. Erlang's helpers are in its process group.
func (n *Node) Kill() {
	if n.process != nil {
		_ = syscall.Kill(-n.process.Process.Pid, syscall.SIGKILL)
		<-n.ended
	}
}

// Do runs rabbitmqctl, and returns what it prints.
func (n *Node) Do(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, n.ctl, append([]string{"-q", "-l", "-n", n.name}, args...)...)
	c.Env = n.environ
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("rabbitmqctl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// freePorts finds free ports below those that systems assign, so that no connection of another test takes one first.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	for range 100 {
		base := 12000 + rand.IntN(16000)
		var ports []int
		for port := base; port < base+n; port++ {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				break
			}
			l.Close()
			ports = append(ports, port)
		}
		if len(ports) == n {
			return ports
		}
	}
	t.Fatal("no free ports")
	return nil
}
