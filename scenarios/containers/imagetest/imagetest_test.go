package imagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"wringer/drivers/drivertest/tier"
)

// patience bounds every wait of a test. It is no expectation: a passing test never waits so long.
const patience = 5 * time.Minute

// container is a container that ends with the test.
type container struct {
	t       *testing.T
	engine  *engine
	id      string
	address string // its own, in the engine's default network
}

func start(t *testing.T, image string, env []string, command ...string) *container {
	t.Helper()
	return create(t, image, map[string]any{"Env": env, "Cmd": command})
}

// beside runs an image in the network of another container.
func beside(t *testing.T, other *container, image string, command ...string) *container {
	t.Helper()
	return create(t, image, map[string]any{"Cmd": command, "HostConfig": map[string]any{"NetworkMode": "container:" + other.id}})
}

func create(t *testing.T, image string, settings map[string]any) *container {
	t.Helper()
	e, err := newEngine()
	must(t, err)
	settings["Image"], settings["Labels"] = image, map[string]string{Label: "1"}
	config, err := json.Marshal(settings)
	must(t, err)
	c := &container{t: t, engine: e}
	var created struct{ ID string }
	must(t, e.ask(t.Context(), http.MethodPost, "/containers/create", nil, bytes.NewReader(config), &created))
	c.id = created.ID
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s said:\n%s", image, c.logs())
		}
		query := url.Values{"force": {"1"}, "v": {"1"}}
		must(t, e.ask(context.Background(), http.MethodDelete, "/containers/"+c.id, query, nil, nil))
	})
	must(t, e.ask(t.Context(), http.MethodPost, "/containers/"+c.id+"/start", nil, nil, nil))
	c.address = c.inspect().NetworkSettings.IPAddress
	return c
}

// inspected is what the tests look at.
type inspected struct {
	State struct {
		Running  bool
		ExitCode int
	}
	NetworkSettings struct{ IPAddress string }
}

func (c *container) inspect() (i inspected) {
	c.t.Helper()
	must(c.t, c.engine.ask(context.Background(), http.MethodGet, "/containers/"+c.id+"/json", nil, nil, &i))
	return i
}

func (c *container) logs() string {
	answer, err := c.engine.do(context.Background(), http.MethodGet, "/containers/"+c.id+"/logs", url.Values{"stdout": {"1"}, "stderr": {"1"}}, nil)
	if err != nil {
		return err.Error()
	}
	defer answer.Close()
	text, err := io.ReadAll(answer)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// run executes a command in the container and returns its output once it succeeds.
func (c *container) run(command ...string) string {
	c.t.Helper()
	var said string
	c.eventually(strings.Join(command, " "), func() bool {
		config, err := json.Marshal(map[string]any{"Cmd": command, "AttachStdout": true, "AttachStderr": true})
		must(c.t, err)
		var made struct{ ID string }
		must(c.t, c.engine.ask(c.t.Context(), http.MethodPost, "/containers/"+c.id+"/exec", nil, bytes.NewReader(config), &made))
		answer, err := c.engine.do(c.t.Context(), http.MethodPost, "/exec/"+made.ID+"/start", nil, strings.NewReader(`{"Detach":false}`))
		must(c.t, err)
		defer answer.Close()
		text, err := io.ReadAll(answer)
		must(c.t, err)
		said = string(text)
		var ended struct{ ExitCode int }
		must(c.t, c.engine.ask(c.t.Context(), http.MethodGet, "/exec/"+made.ID+"/json", nil, nil, &ended))
		return ended.ExitCode == 0
	})
	return said
}

func (c *container) eventually(what string, condition func() bool) {
	c.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-tick.C:
			if i := c.inspect(); !i.State.Running {
				c.t.Fatalf("the container ended with %d; never came: %s", i.State.ExitCode, what)
			}
		case <-deadline:
			c.t.Fatalf("never came: %s", what)
		}
	}
}

func (c *container) connects(port int) bool {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(c.address, fmt.Sprint(port)), time.Second)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

// stop asks the container to end, and returns its exit code.
func (c *container) stop() int {
	c.t.Helper()
	must(c.t, c.engine.ask(c.t.Context(), http.MethodPost, "/containers/"+c.id+"/stop", url.Values{"t": {"15"}}, nil, nil))
	return c.inspect().State.ExitCode
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEngineRunsTheTool(t *testing.T) {
	tier.Slow(t, "it builds an image")
	ref := Tool(t)
	if again := Tool(t); again != ref {
		t.Errorf("the same sources made %s and %s", ref, again)
	}
	c := start(t, ref, nil)
	c.eventually("the tool's port", func() bool { return c.connects(8080) })
	answer, err := http.Get("http://" + c.address + ":8080/fill?dir=/tmp")
	must(t, err)
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	answer.Body.Close()
	if !strings.Contains(string(text), `"bytes":1048576`) {
		t.Errorf("fill: %s", text)
	}
	c.run("/tool", "get", "http://127.0.0.1:8080/healthz")
	if code := c.stop(); code != 0 {
		t.Errorf("the tool ended with %d", code)
	}
}

func TestEngineRunsTheShop(t *testing.T) {
	tier.Slow(t, "it builds an image")
	c := start(t, Shop(t), nil, "shop", "--rest", ":8080")
	c.eventually("the shop's port", func() bool { return c.connects(8080) })
	c.run("/tool", "get", "http://127.0.0.1:8080/healthz")
	if code := c.stop(); code != 0 {
		t.Errorf("the shop ended with %d", code)
	}
}

// The services of the shop before a real broker, each in a container.
func TestEngineRunsKafkaAndTheServices(t *testing.T) {
	tier.Slow(t, "it builds an image, and starts a Java process")
	image, shop := Kafka(t), Shop(t)
	// The broker's own address is not known before it starts; the services start in its network.
	kafka := start(t, image, nil)
	inside := func(command ...string) *container {
		return beside(t, kafka, shop, append([]string{"shop"}, command...)...)
	}
	inside("inventory")
	inside("orders")
	inside("fulfilment")
	body := `{"orderId":"o1","customerId":"c1","items":[{"id":"item1","quantity":1}]}`
	kafka.eventually("an order placed", func() bool {
		said := kafka.run("wget", "-qO-", "--header", "Idempotency-Key: o1", "--post-data", body, "http://127.0.0.1:8080/orders")
		return strings.Contains(said, "placed")
	})
	kafka.eventually("the order shipped", func() bool {
		return strings.Contains(kafka.run("wget", "-qO-", "http://127.0.0.1:8081/audit"), `"shipments":1`)
	})
}

func TestEngineRunsPostgres(t *testing.T) {
	tier.Slow(t, "it builds an image with debootstrap")
	c := start(t, Postgres(t), []string{"POSTGRES_PASSWORD=secret", "POSTGRES_USER=shop", "POSTGRES_DB=orders"})
	dsn := "postgres://shop:%s@" + c.address + "/orders"
	if said := c.run("psql", fmt.Sprintf(dsn, "secret"), "-c", "create table t(i int)", "-c", "insert into t values (42)", "-c", "select * from t"); !strings.Contains(said, "42") {
		t.Errorf("psql: %s", said)
	}
	c.run("sh", "-c", "! psql "+fmt.Sprintf(dsn, "wrong")+" -c 'select 1'") // without a password anybody would come in
	if code := c.stop(); code != 0 {
		t.Errorf("postgres ended with %d", code)
	}
}

func TestEngineRunsRabbitMQ(t *testing.T) {
	tier.Slow(t, "it builds an image with debootstrap")
	c := start(t, RabbitMQ(t), []string{"RABBITMQ_DEFAULT_USER=shop", "RABBITMQ_DEFAULT_PASS=secret", "RABBITMQ_ERLANG_COOKIE=together"})
	c.eventually("AMQP's port", func() bool { return c.connects(5672) })
	c.eventually("the management's port", func() bool { return c.connects(15672) })
	r, err := http.NewRequest(http.MethodGet, "http://"+c.address+":15672/api/whoami", nil)
	must(t, err)
	r.SetBasicAuth("shop", "secret")
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("whoami: %s", answer.Status)
	}
	if cookie := c.run("cat", "/var/lib/rabbitmq/.erlang.cookie"); !strings.Contains(cookie, "together") {
		t.Errorf("the cookie: %q", cookie)
	}
	if code := c.stop(); code != 0 {
		t.Errorf("rabbitmq ended with %d", code)
	}
}

// TestRemoveTestImages is the clean-up by hand. It does nothing unless it is asked to: other tests use the images.
func TestRemoveTestImages(t *testing.T) {
	if os.Getenv("WRINGER_REMOVE_TEST_IMAGES") != "1" {
		return
	}
	removed, err := RemoveAll(t.Context())
	t.Logf("removed %q", removed)
	must(t, err)
}
