package containers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	moby "github.com/moby/moby/api/types/container"

	"wringer/scenarios"
)

// composed reads a Compose file.
func composed(t *testing.T, text string, c Compose) *Compose {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c.File = "compose.yaml"
	c.Locate(dir, os.Environ())
	return &c
}

const shopFile = `
services:
  orders:
    image: orders:1
    ports: ["8080:80", "9000-9001:9000-9001"]
    environment: {STOCK: "http://stock:50051", LEVEL: "${WRINGER_TEST_LEVEL:-info}"}
    depends_on:
      stock: {condition: service_healthy}
      cache: {condition: service_started}
      seed: {condition: service_completed_successfully}
    stop_grace_period: 3s
    deploy: {replicas: 2, resources: {limits: {cpus: "0.5", memory: 64M}}}
  stock:
    image: stock:1
    container_name: shop-stock
    expose: ["50051", "53/udp"]
    healthcheck: {test: ["CMD", "/probe"], interval: 2s, retries: 4}
    networks: {back: {aliases: [inventory]}, default: {}}
    restart: "on-failure:3"
    volumes: ["data:/data", "./conf:/conf:ro"]
    ulimits: {nofile: {soft: 100, hard: 200}}
  cache: {image: cache:1, network_mode: "service:stock"}
  seed: {image: seed:1}
  debug: {image: debug:1, profiles: [debug]}
networks: {back: {internal: true}}
volumes: {data: {}}
secrets: {}
`

func TestComposeServices(t *testing.T) {
	c := composed(t, shopFile, Compose{})
	if all := problems(c); len(all) > 0 {
		t.Fatalf("%q", all)
	}
	p := &prepared{network: "run", run: "r"}
	all, err := c.services(p, map[string]string{"default": "run", "back": "run-back"})
	if err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]*Service)
	for i := range all {
		byName[all[i].Name] = &all[i]
	}
	orders := byName["orders-2"]
	if orders == nil || byName["debug"] != nil {
		t.Fatalf("parts %q", c.PartNames())
	}
	if orders.Env["LEVEL"] != "info" || !slices.Equal(orders.Ports, []uint16{80, 9000, 9001}) || orders.Grace.Seconds() != 3 {
		t.Errorf("%+v", orders)
	}
	if got := orders.Networks["run"]; !slices.Contains(got, "orders") {
		t.Errorf("names %q", got)
	}
	for _, need := range []Need{{Name: "stock"}, {Name: "cache", Started: true}, {Name: "seed"}} {
		if !slices.Contains(orders.Needs, need) {
			t.Errorf("needs %v, want %v among them", orders.Needs, need)
		}
	}
	stock := byName["stock"]
	if !stock.Health || !slices.Equal(stock.Ports, []uint16{50051}) || !slices.Contains(stock.Networks["run-back"], "inventory") || !slices.Contains(stock.Networks["run"], "shop-stock") {
		t.Errorf("%+v", stock)
	}
	if !byName["seed"].Once || byName["cache"].Join != "stock" || len(byName["cache"].Networks) > 0 {
		t.Errorf("%+v, %+v", byName["seed"], byName["cache"])
	}
	config, host := &moby.Config{Labels: map[string]string{}}, new(moby.HostConfig)
	stock.Change(config, host)
	if config.Healthcheck.Retries != 4 || host.RestartPolicy.MaximumRetryCount != 3 || host.Ulimits[0].Hard != 200 {
		t.Errorf("%+v %+v", config, host)
	}
	if len(host.Mounts) != 2 || host.Mounts[0].Source != "run-data" || !host.Mounts[1].ReadOnly || !filepath.IsAbs(host.Mounts[1].Source) {
		t.Errorf("%+v", host.Mounts)
	}
	orders.Change(config, host)
	if host.NanoCPUs != 5e8 || host.Memory != 64<<20 {
		t.Errorf("cpus %d, memory %d", host.NanoCPUs, host.Memory)
	}
}

// What is not done is told, by service.
func TestComposeTellsWhatItDoesNot(t *testing.T) {
	for text, want := range map[string]string{
		"network_mode: host":                                 "network_mode: host shares the machine's network",
		`ports: ["53:53/udp"]`:                               "only TCP is",
		"devices: [/dev/fuse]":                               "devices and gpus",
		"build: {context: ., additional_contexts: {a: ./b}}": "additional_contexts needs BuildKit",
		`build: {context: "https://example.org/a.git"}`:      "a context that is a URL needs BuildKit",
		`networks: {default: {ipv4_address: 172.30.0.2}}`:    "fixed addresses",
		`post_start: [{command: ["true"]}]`:                  "lifecycle hooks",
	} {
		c := composed(t, "services:\n  a:\n    image: a:1\n    "+text+"\n", Compose{})
		all := problems(c)
		if !slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, "service a: ") && strings.Contains(s, want) }) {
			t.Errorf("%s: %q; want %q", text, all, want)
		}
	}
}

func TestComposeProblems(t *testing.T) {
	missing := &Compose{File: "none.yaml"}
	missing.Locate(t.TempDir(), nil)
	for name, test := range map[string]struct {
		c    *Compose
		want string
	}{
		"no file":  {missing, "none.yaml"},
		"no YAML":  {composed(t, "services: [", Compose{}), "file: "},
		"profiles": {composed(t, "services: {a: {image: a, profiles: [x]}}", Compose{}), "no service to start"},
		"ready":    {composed(t, "services: {a: {image: a}}", Compose{Ready: map[string]*Ready{"b": {Health: true}}}), `there is no service "b"; there are a`},
		"may_end":  {composed(t, "services: {a: {image: a}}", Compose{MayEnd: []string{"b"}}), `there is no service "b"`},
	} {
		if all := problems(test.c); len(all) != 1 || !strings.Contains(all[0], test.want) {
			t.Errorf("%s: %q; want one with %q", name, all, test.want)
		}
	}
}

// A link takes a service's place only where names are the caller's own.
func TestAliasesOfServices(t *testing.T) {
	c := composed(t, shopFile, Compose{})
	for _, test := range []struct {
		caller, callee string
		port           uint16
		want           string
	}{
		{"orders", "stock", 50051, ""},
		{"orders", "stock", 1, "port 1 is neither in ports nor in expose of stock"},
		{"cache", "orders", 80, "network_mode service:stock"},
		{"orders", "nobody", 80, `there is no service "nobody"`},
		{"stock", "stock", 50051, "the same service"},
	} {
		err := c.CheckAlias(test.caller, test.callee, []uint16{test.port})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s->%s: %v; want %q", test.caller, test.callee, err, test.want)
		}
	}
}

// A .env file beside the Compose file is read; the environment has precedence.
func TestComposeReadsDotEnv(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("WRINGER_TEST_BOTH", "environment")
	for name, text := range map[string]string{
		".env":         "WRINGER_TEST_FILE=file\nWRINGER_TEST_BOTH=file\n",
		"compose.yaml": "services: {a: {image: \"a:${WRINGER_TEST_FILE}-${WRINGER_TEST_BOTH}\"}}",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := &Compose{File: "compose.yaml"}
	c.Locate(dir, os.Environ())
	if c.err != nil || c.project.Services["a"].Image != "a:file-environment" {
		t.Errorf("%v: %+v", c.err, c.project)
	}
}

// A service without replicas is not started, and what depends on it says so.
func TestComposeWithoutReplicas(t *testing.T) {
	c := composed(t, "services: {a: {image: a}, b: {image: b, deploy: {replicas: 0}}}", Compose{})
	if names := c.PartNames(); !slices.Equal(names, []string{"a"}) {
		t.Errorf("parts %q", names)
	}
	c = composed(t, "services: {a: {image: a, depends_on: [b]}, b: {image: b, scale: 0}}", Compose{})
	if all := problems(c); len(all) != 1 || !strings.Contains(all[0], "depends on b, which is not started") {
		t.Errorf("problems %q", all)
	}
}

// A replica and a service of the same name are two containers of one name.
func TestComposePartsOfOneName(t *testing.T) {
	c := composed(t, "services: {web: {image: a, scale: 2}, web-1: {image: b}}", Compose{})
	if all := problems(c); len(all) != 1 || !strings.Contains(all[0], "web-1") {
		t.Errorf("problems %q", all)
	}
}

const enclosedFile = `
services:
  caller: {image: a, ports: ["80:80"], extra_hosts: ["shop-other:10.0.0.1"]}
  stock: {image: b, expose: ["50051"], container_name: shop-stock, networks: {default: {aliases: [inventory]}}}
  other: {image: b, expose: ["50051"], container_name: shop-other}
  db: {image: c, expose: ["5432"], networks: [back]}
networks: {back: {internal: true}}
`

// The engine publishes no port of a service that is in internal networks alone: no default check waits for one, and no link leads
// there.
func TestComposeInternalNetworks(t *testing.T) {
	c := composed(t, enclosedFile, Compose{})
	if all := problems(c); len(all) > 0 {
		t.Fatalf("%q", all)
	}
	if ports := c.ports("db"); len(ports) > 0 {
		t.Errorf("ports %v", ports)
	}
	for _, err := range []error{c.CheckAlias("caller", "db", []uint16{5432}), c.CheckAlias("db", "stock", []uint16{50051})} {
		if err == nil || !strings.Contains(err.Error(), "all networks of service db are internal") {
			t.Errorf("a link to and from an internal network: %v", err)
		}
	}
}

// A link stands in place of every name of the callee.
func TestComposeAliasOfAllNames(t *testing.T) {
	c := composed(t, enclosedFile, Compose{})
	if err := c.CheckAlias("caller", "stock", []uint16{50051}); err != nil {
		t.Fatal(err)
	}
	if names := c.namesOf("stock"); !slices.Equal(names, []string{"inventory", "shop-stock", "stock"}) {
		t.Errorf("names %q", names)
	}
	if err := c.CheckAlias("caller", "other", []uint16{50051}); err == nil || !strings.Contains(err.Error(), "leads shop-other elsewhere") {
		t.Errorf("a name that leads elsewhere: %v", err)
	}
	p := &prepared{network: "run", run: "r", aliases: []alias{{"caller", "stock", "172.18.0.1"}}}
	all, err := c.services(p, map[string]string{"default": "run", "back": "run-back"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.fill(all, p, scenarios.TargetEnv{}, inside); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s Service) bool { return s.Name == "caller" })
	want := []Host{{"inventory", "172.18.0.1"}, {"shop-stock", "172.18.0.1"}, {"stock", "172.18.0.1"}}
	if !slices.Equal(all[i].Hosts, want) {
		t.Errorf("hosts %v", all[i].Hosts)
	}
}

// What an earlier run kept is told apart by all that goes into its containers.
func TestHashOfContents(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"app/Dockerfile": "FROM a", "app/.dockerignore": "out\n", "app/out/x": "1", "e.env": "A=1", "f": "1"} {
		write(name, text)
	}
	config := &Config{"web": {Build: "app", EnvFile: "e.env", Files: map[string]string{"/f": "f"}}}
	last := ""
	for i, change := range []struct{ name, text string }{{"", ""}, {"app/Dockerfile", "FROM b"}, {"e.env", "A=2"}, {"f", "2"}, {"app/new", ""}} {
		if change.name != "" {
			write(change.name, change.text)
		}
		sum, err := hash(dir, config)
		if err != nil || sum == last {
			t.Errorf("change %d of %s is not seen: %v", i, change.name, err)
		}
		last = sum
	}
	write("app/out/x", "2")
	write("app/out/y", "2")
	if sum, err := hash(dir, config); err != nil || sum != last {
		t.Errorf("what is kept out of the build counts: %v", err)
	}
}

// Where a link would miss connections, or meet those of others, it is refused with the reason.
func TestLinksThatWouldNotStandBetweenServices(t *testing.T) {
	const stock = "  stock: {image: a:1, expose: [80]}\n"
	for text, want := range map[string]string{
		"  orders: {image: a:1, network_mode: none}\n" + stock:                                                                  "network_mode none",
		"  orders: {image: a:1, networks: [other]}\n" + stock + "networks: {other: {}}\n":                                       "share no network",
		"  orders: {image: a:1}\n  cache: {image: a:1, network_mode: 'service:orders'}\n" + stock:                               "service cache shares the network of orders",
		"  orders: {image: a:1, extra_hosts: ['stock:10.0.0.1']}\n" + stock:                                                     "extra_hosts of orders leads stock elsewhere",
		"  orders: {image: a:1, extra_hosts: ['depot:10.0.0.1']}\n  stock: {image: a:1, expose: [80], container_name: depot}\n": "extra_hosts of orders leads depot elsewhere",
		"  orders: {image: a:1}\n  stock: {image: a:1, expose: [80], scale: 2}\n":                                               "stock is 2 containers",
	} {
		c := composed(t, "services:\n"+text, Compose{})
		if err := c.CheckAlias("orders", "stock", []uint16{80}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}

// The caller meets the link by each name that the callee has.
func TestALinkTakesEveryName(t *testing.T) {
	c := composed(t, "services:\n  orders: {image: a:1}\n  stock: {image: a:1, expose: [80], container_name: depot, networks: {default: {aliases: [store]}}}\n", Compose{})
	if err := c.CheckAlias("orders", "stock", []uint16{80}); err != nil {
		t.Fatal(err)
	}
	p := &prepared{network: "run", byRelay: true, aliases: []alias{{"orders", "stock", "10.0.0.9"}}}
	services, err := c.services(p, map[string]string{"default": "other"})
	if err == nil {
		err = c.fill(services, p, scenarios.TargetEnv{}, inside)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range services {
		var want []Host
		if s.Name == "orders" {
			want = []Host{{"depot", "10.0.0.9"}, {"stock", "10.0.0.9"}, {"store", "10.0.0.9"}}
		}
		if !slices.Equal(s.Hosts, want) {
			t.Errorf("%s: hosts %v", s.Name, s.Hosts)
		}
		// The relay is in the run's network alone.
		if _, in := s.Networks["run"]; in != (s.Name == "orders") {
			t.Errorf("%s is in the networks %v", s.Name, s.Networks)
		}
	}
}
