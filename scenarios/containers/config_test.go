package containers

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// problems are what a configuration says is wrong with it.
func problems(c interface {
	Check(func(field, message string))
}) []string {
	var all []string
	c.Check(func(field, message string) { all = append(all, field+": "+message) })
	slices.Sort(all)
	return all
}

func TestProblemsOfContainers(t *testing.T) {
	for name, test := range map[string]struct {
		config Config
		want   string // of one problem
	}{
		"nothing":           {Config{}, "holds 0 containers"},
		"no kind":           {Config{"a": {}}, "a: says not what to run"},
		"two kinds":         {Config{"a": {Image: "x", Build: "."}}, "a.image: stands beside build"},
		"name":              {Config{"A_b": {Image: "x"}}, "is no name"},
		"name of variables": {Config{"links": {Image: "x"}}, "begins other variables"},
		"need":              {Config{"a": {Image: "x", Needs: []string{"b"}}}, `a.needs: there is no container "b"; there are a`},
		"circle":            {Config{"a": {Image: "x", Needs: []string{"b"}}, "b": {Image: "x", Needs: []string{"a"}}}, "need each other in a circle: a, b"},
		"port twice":        {Config{"a": {Image: "x", Ports: []uint16{80, 80}}}, "a.ports: 80 stands twice"},
		"port 0":            {Config{"a": {Image: "x", Ports: []uint16{0}}}, "0 is no port"},
		"file":              {Config{"a": {Image: "x", Files: map[string]string{"etc/x": "x"}}}, "begin it with /"},
		"two ways":          {Config{"a": {Image: "x", Ready: &Ready{Log: "up", Health: true}}}, "a.ready: takes exactly one key"},
		"no way":            {Config{"a": {Image: "x", Ready: &Ready{}}}, "a.ready: takes exactly one key"},
		"expression":        {Config{"a": {Image: "x", Ready: &Ready{Log: "("}}}, "is no regular expression"},
		"path, no port":     {Config{"a": {Image: "x", Ready: &Ready{HTTP: "/healthz"}}}, "the container has no ports"},
		"stage":             {Config{"a": {Image: "x", Stage: "s"}}, "a.stage: goes with build"},
		"brokers":           {Config{"a": {Kafka: &Kafka{Brokers: 10}}}, "10 is not between 1 and 9"},
		"init":              {Config{"a": {Postgres: &Postgres{Init: []string{"x.txt"}}}}, "neither .sql nor .sh"},
		"colon":             {Config{"a": {RabbitMQ: &RabbitMQ{Password: "a:b"}}}, "a.rabbitmq.password: holds a colon"},
		"replica's name":    {Config{"a": {Image: "x", Replicas: 2}, "a-1": {Image: "x"}}, "its part a-1 has the name of a part of a"},
	} {
		t.Run(name, func(t *testing.T) {
			all := problems(&test.config)
			if len(all) != 1 || !strings.Contains(all[0], test.want) {
				t.Errorf("%q; want one with %q", all, test.want)
			}
		})
	}
}

func TestSoundContainers(t *testing.T) {
	c := sound()
	if all := problems(&c); len(all) > 0 {
		t.Errorf("%q", all)
	}
}

// sound is a system with all kinds of entries.
func sound() Config {
	return Config{
		"kafka":  {Kafka: &Kafka{Brokers: 3}},
		"db":     {Postgres: &Postgres{Database: "shop"}},
		"rabbit": {RabbitMQ: &RabbitMQ{Nodes: 2}},
		"orders": {
			Image: "orders:1", Ports: []uint16{8080, 9090}, Needs: []string{"kafka", "db"}, Replicas: 2,
			Env: map[string]string{"KAFKA": "${kafka.brokers}", "DB": "${db.url}", "STOCK": "${stock.50051}"}, Ready: &Ready{HTTP: "/healthz"},
		},
		"stock": {Image: "stock:1", Ports: []uint16{50051}},
	}
}

func TestVariablesOfContainers(t *testing.T) {
	c := sound()
	for name, want := range map[string]string{
		"kafka.brokers":      "kafka-1:9092,kafka-2:9092,kafka-3:9092",
		"kafka.9092":         "kafka-1:9092",
		"db.url":             "postgres://test:test@db:5432/shop?sslmode=disable",
		"rabbit.url":         "amqp://test:test@rabbit-1:5672/",
		"orders.8080":        "orders-1:8080",
		"orders-2.9090":      "orders-2:9090",
		"orders-2.9090.port": "9090",
		"stock.50051":        "stock:50051",
	} {
		if got := c.vars(inside)[name]; got != want {
			t.Errorf("%s is %q inside, want %q", name, got, want)
		}
	}
	// What `check` promises is what the target defines.
	var told []string
	for _, name := range c.Variables() {
		if !strings.HasSuffix(name, ".id") {
			told = append(told, name)
		}
	}
	if defined := slices.Sorted(maps.Keys(c.vars(inside))); !slices.Equal(defined, told) {
		t.Errorf("told %q, defined %q", told, defined)
	}
	if !slices.Equal(told, c.Reserved()) {
		t.Errorf("reserved %q, told %q", c.Reserved(), told)
	}
	want := []string{"db", "kafka-1", "kafka-2", "kafka-3", "orders-1", "orders-2", "rabbit-1", "rabbit-2", "stock"}
	if got := c.PartNames(); !slices.Equal(got, want) {
		t.Errorf("parts %q, want %q", got, want)
	}
}

// services fills in a configuration as a start does.
func services(t *testing.T, c Config) map[string]Service {
	t.Helper()
	p := new(prepared)
	all := c.services()
	ports, err := p.publish(all)
	if err != nil {
		t.Fatal(err)
	}
	outside := func(owner string, port uint16) string { return "127.0.0.1:" + portText(ports[owner][port]) }
	out := make(map[string]Service)
	for _, n := range c.names() {
		for i := range all {
			if s := &all[i]; slices.Contains(c[n].parts(n), s.Name) {
				if err := c[n].fill(s, t.TempDir(), c.vars(inside), outside); err != nil {
					t.Fatal(err)
				}
				c[n].settle(n, s, ".", outside)
				out[s.Name] = *s
			}
		}
	}
	return out
}

// Brokers tell clients inside the run's network other addresses than clients outside.
func TestBrokersAdvertiseBothSides(t *testing.T) {
	all := services(t, sound())
	env := all["kafka-2"].Env
	if !strings.HasPrefix(env["KAFKA_ADVERTISED_LISTENERS"], "INSIDE://kafka-2:9092,OUTSIDE://127.0.0.1:") {
		t.Error(env["KAFKA_ADVERTISED_LISTENERS"])
	}
	// As long as the broker gets to become ready.
	if got := env["KAFKA_INITIAL_BROKER_REGISTRATION_TIMEOUT_MS"]; got != "180000" {
		t.Errorf("it waits %s ms for its controllers", got)
	}
	if want := "1@kafka-1:9093,2@kafka-2:9093,3@kafka-3:9093"; env["KAFKA_CONTROLLER_QUORUM_VOTERS"] != want {
		t.Errorf("%q, want %q", env["KAFKA_CONTROLLER_QUORUM_VOTERS"], want)
	}
	s := all["kafka-2"]
	if bound := s.bound(kafkaPort); bound.Num() != kafkaHostPort {
		t.Errorf("port %d is bound to %d", kafkaPort, bound.Num())
	}
}

// A container sees others from inside, and is asked from outside whether it is ready.
func TestViewsOfAddresses(t *testing.T) {
	all := services(t, sound())
	s := all["orders-2"]
	if s.Env["STOCK"] != "stock:50051" || s.Env["KAFKA"] != "kafka-1:9092,kafka-2:9092,kafka-3:9092" {
		t.Errorf("%v", s.Env)
	}
	if !strings.HasPrefix(s.Ready.HTTP, "http://127.0.0.1:") || !strings.HasSuffix(s.Ready.HTTP, "/healthz") {
		t.Error(s.Ready.HTTP)
	}
	if len(s.Needs) != 4 || s.Needs[3].Name != "db" {
		t.Errorf("needs %v", s.Needs)
	}
}
