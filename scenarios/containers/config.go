package containers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"wringer/drivers"
	"wringer/scenarios"
	"wringer/scenarios/ready"
)

// Config is `target: {containers: {NAME: {...}}}`.
type Config map[string]*Entry

// Entry is one entry of the target: a container, several alike, or one of the systems that the package knows.
type Entry struct {
	Image string `yaml:"image" jsonschema_description:"The image. One that the engine does not have is pulled."`
	Build string `yaml:"build" path:"folder" jsonschema_description:"The folder of a Dockerfile to build the image from, relative to the scenario."`
	Stage string `yaml:"stage" jsonschema_description:"With build: the stage of the Dockerfile. Default: the last."`
	// Dockerfile lies in the folder of Build.
	Dockerfile string            `yaml:"dockerfile" path:"within" jsonschema_description:"With build: the Dockerfile's name in the folder. Default Dockerfile."`
	BuildArgs  map[string]string `yaml:"build_args" jsonschema_description:"With build: arguments of the Dockerfile."`

	Kafka    *Kafka    `yaml:"kafka" jsonschema_description:"Apache Kafka brokers in KRaft mode. ${NAME.brokers} are their addresses."`
	Postgres *Postgres `yaml:"postgres" jsonschema_description:"A PostgreSQL server. ${NAME.url} is the URL of its database."`
	RabbitMQ *RabbitMQ `yaml:"rabbitmq" jsonschema_description:"RabbitMQ nodes. ${NAME.url} is the URL of the first node's default vhost."`

	Command    []string          `yaml:"command" jsonschema_description:"The command and its arguments, in place of the image's own."`
	Entrypoint []string          `yaml:"entrypoint" jsonschema_description:"The entrypoint, in place of the image's own."`
	Env        map[string]string `yaml:"env" jsonschema_description:"Environment variables. ${OTHER.PORT} is another container's address as this one reaches it."`
	EnvFile    string            `yaml:"env_file" path:"file" jsonschema_description:"A file of lines NAME=VALUE, relative to the scenario. Env has precedence."`
	Ports      []uint16          `yaml:"ports" jsonschema_description:"TCP ports of the container that wringer reaches: ${NAME.PORT} is the address, ${NAME.PORT.port} its number."`
	Files      map[string]string `yaml:"files" path:"any" jsonschema_description:"Files that are copied into the container before it starts: its path: the file's path, relative to the scenario."`
	Hosts      map[string]string `yaml:"hosts" jsonschema_description:"Names that lead elsewhere for this container alone: an address, or ${links.LINK}: it connects to the name's port, and meets the link."`
	User       string            `yaml:"user" jsonschema_description:"The user (and :group) of the container's processes."`
	Dir        string            `yaml:"dir" jsonschema_description:"The working directory in the container."`
	CPUs       float64           `yaml:"cpus" jsonschema_description:"The most processors that the container may use, as in 0.5."`
	Memory     drivers.Bytes     `yaml:"memory" jsonschema_description:"The most memory that the container may use, as in 256MiB."`
	Tmpfs      map[string]string `yaml:"tmpfs" jsonschema_description:"Folders in memory: the path in the container: its size, as in 64m. A disk fault can fill them."`
	Replicas   int               `yaml:"replicas" jsonschema_description:"The number of containers alike: parts NAME-1, NAME-2 and so on, all under the name NAME in the network. Default 1."`

	Ready  *Ready        `yaml:"ready" jsonschema_description:"How to see that the container works. Default: its health check, if the image has one; else its first port takes connections; else it runs."`
	Needs  []string      `yaml:"needs" jsonschema_description:"Containers that must be ready before this one starts."`
	MayEnd bool          `yaml:"may_end" jsonschema_description:"The container may end by itself. Otherwise such an end fails the run, unless a fault on it, or an exec fault, was in force."`
	Grace  time.Duration `yaml:"grace" jsonschema_description:"The time between the request to end and the kill. Default 10s."`
}

// Ready is how to see that a container works. Exactly one of TCP, HTTP, GRPC, Log and Health is set.
type Ready struct {
	TCP    string        `yaml:"tcp" jsonschema_description:"The port that takes connections, as in \":8080\"; or an address."`
	HTTP   string        `yaml:"http" jsonschema_description:"The path that answers with a status below 400 on the first port, as in /healthz; or \":8081/healthz\"; or a URL."`
	GRPC   string        `yaml:"grpc" jsonschema_description:"The port whose grpc.health.v1 service says SERVING, as in \":50051\"; or an address."`
	Log    string        `yaml:"log" jsonschema_description:"Regular expression that must match a line of the container's output."`
	Health bool          `yaml:"health" jsonschema_description:"The engine's health check of the container must succeed."`
	Within time.Duration `yaml:"within" jsonschema_description:"The most time until the container is ready. Default 60s."`
}

const (
	maxEntries  = 64
	maxReplicas = 32
	maxPorts    = 64
	maxGrace    = 5 * time.Minute
	maxWithin   = 10 * time.Minute
)

var (
	name = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	// taken are the first words of variables that mean something else.
	taken = []string{"links", "env", "effects", "data"}
)

// Check implements scenarios.TargetConfig.
func (c *Config) Check(problem func(field, message string)) {
	if len(*c) == 0 || len(*c) > maxEntries {
		problem("", fmt.Sprintf("holds %d containers: name 1 to %d", len(*c), maxEntries))
		return
	}
	needs := make(map[string][]Need)
	for _, n := range c.names() {
		at := func(field, message string) { problem(strings.TrimSuffix(n+"."+field, "."), message) }
		switch {
		case !name.MatchString(n):
			at("", fmt.Sprintf("%q is no name: write small letters, digits and -, at most 40, a letter first", n))
		case slices.Contains(taken, n):
			at("", fmt.Sprintf("%q begins other variables; choose another name", n))
		}
		e := (*c)[n]
		if e == nil {
			at("", "is empty: name an image")
			return
		}
		e.check(at)
		for _, need := range e.Needs {
			if (*c)[need] == nil {
				at("needs", fmt.Sprintf("there is no container %q; there are %s", need, strings.Join(c.names(), ", ")))
			}
			needs[n] = append(needs[n], Need{Name: need})
		}
	}
	c.checkParts(problem)
	if stuck := order(needs); len(stuck) > 0 {
		problem(stuck[0]+".needs", "the containers need each other in a circle: "+strings.Join(stuck, ", "))
	}
}

// checkParts refuses two parts of one name: a replica, and an entry that has its name.
func (c *Config) checkParts(problem func(field, message string)) {
	of := make(map[string]string)
	for _, n := range c.names() {
		for _, p := range (*c)[n].parts(n) {
			if other, twice := of[p]; twice {
				problem(n, fmt.Sprintf("its part %s has the name of a part of %s; rename one", p, other))
			}
			of[p] = n
		}
	}
}

func (e *Entry) check(problem func(field, message string)) {
	e.checkKind(problem)
	if e.Replicas < 0 || e.Replicas > maxReplicas {
		problem("replicas", fmt.Sprintf("%d is not between 1 and %d", e.Replicas, maxReplicas))
	}
	if len(e.Ports) > maxPorts {
		problem("ports", fmt.Sprintf("%d ports; the maximum is %d", len(e.Ports), maxPorts))
	}
	for i, port := range e.Ports {
		switch {
		case port == 0:
			problem("ports", "0 is no port of a container")
		case slices.Contains(e.Ports[:i], port):
			problem("ports", fmt.Sprintf("%d stands twice", port))
		}
	}
	for key := range e.Env {
		if key == "" || strings.ContainsAny(key, "=\x00") {
			problem("env", fmt.Sprintf("%q is no name of a variable", key))
		}
	}
	for path := range e.Files {
		if !strings.HasPrefix(path, "/") {
			problem("files", fmt.Sprintf("%q is no path in the container: begin it with /", path))
		}
	}
	for path := range e.Tmpfs {
		if !strings.HasPrefix(path, "/") {
			problem("tmpfs", fmt.Sprintf("%q is no path in the container: begin it with /", path))
		}
	}
	if e.Grace > maxGrace {
		problem("grace", fmt.Sprintf("%v is more than the maximum of %v", e.Grace, maxGrace))
	}
	if e.CPUs < 0 {
		problem("cpus", "is below 0")
	}
	e.Ready.check(problem, len(e.ports()) > 0)
}

// kinds are the keys that say what an entry runs.
func (e *Entry) kinds() []string {
	var all []string
	for kind, set := range map[string]bool{"image": e.Image != "", "build": e.Build != "", "kafka": e.Kafka != nil, "postgres": e.Postgres != nil, "rabbitmq": e.RabbitMQ != nil} {
		if set {
			all = append(all, kind)
		}
	}
	slices.Sort(all)
	return all
}

func (e *Entry) checkKind(problem func(field, message string)) {
	switch kinds := e.kinds(); {
	case len(kinds) == 0:
		problem("", "says not what to run: give image, build, kafka, postgres or rabbitmq")
	case len(kinds) > 1:
		problem(kinds[1], "stands beside "+kinds[0]+": give one")
	}
	if e.Build == "" {
		for key, set := range map[string]bool{"stage": e.Stage != "", "dockerfile": e.Dockerfile != "", "build_args": len(e.BuildArgs) > 0} {
			if set {
				problem(key, "goes with build")
			}
		}
	}
	e.Kafka.check(e, problem)
	e.Postgres.check(problem)
	e.RabbitMQ.check(e, problem)
}

func (r *Ready) check(problem func(field, message string), ports bool) {
	if r == nil {
		return
	}
	ways := slices.DeleteFunc([]string{r.TCP, r.HTTP, r.GRPC, r.Log}, func(s string) bool { return s == "" })
	if r.Health {
		ways = append(ways, "health")
	}
	if len(ways) != 1 {
		problem("ready", "takes exactly one key of tcp, http, grpc, log, health")
	}
	if _, err := regexp.Compile(r.Log); err != nil {
		problem("ready.log", fmt.Sprintf("%q is no regular expression: %v", r.Log, err))
	}
	if r.Within > maxWithin {
		problem("ready.within", fmt.Sprintf("%v is more than the maximum of %v", r.Within, maxWithin))
	}
	if strings.HasPrefix(r.HTTP, "/") && !ports {
		problem("ready.http", "is a path on the first port, and the container has no ports: name one in ports")
	}
}

// config is r as a check of a container whose port p is reached at at(p); nil for a health check and a nil r.
func (r *Ready) config(first uint16, at func(port string) (string, error)) (*ready.Config, error) {
	if r == nil || r.Health {
		return nil, nil
	}
	out := &ready.Config{Log: r.Log, Within: r.Within}
	var failed error
	address := func(text string) string {
		port, local := strings.CutPrefix(text, ":")
		if !local {
			return text
		}
		port, rest, _ := strings.Cut(port, "/")
		whole, err := at(port)
		if err != nil {
			failed = err
		}
		if rest != "" {
			whole += "/" + rest
		}
		return whole
	}
	out.TCP, out.GRPC = address(r.TCP), address(r.GRPC)
	switch {
	case strings.HasPrefix(r.HTTP, "/"):
		out.HTTP = "http://" + address(":"+portText(first)) + r.HTTP
	case strings.HasPrefix(r.HTTP, ":"):
		out.HTTP = "http://" + address(r.HTTP)
	default:
		out.HTTP = r.HTTP
	}
	return out, failed
}

func (c *Config) names() []string { return slices.Sorted(maps.Keys(*c)) }

// parts are the names of the parts of the entry n.
func (e *Entry) parts(n string) []string {
	count := max(e.Replicas, 1)
	switch {
	case e.Kafka != nil:
		count = max(e.Kafka.Brokers, 1)
	case e.RabbitMQ != nil:
		count = max(e.RabbitMQ.Nodes, 1)
	}
	if count == 1 {
		return []string{n}
	}
	all := make([]string, count)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%d", n, i+1)
	}
	return all
}

// ports are the ports that every part of the entry has.
func (e *Entry) ports() []uint16 {
	switch {
	case e.Kafka != nil:
		return append([]uint16{kafkaPort}, e.Ports...)
	case e.Postgres != nil:
		return append([]uint16{postgresPort}, e.Ports...)
	case e.RabbitMQ != nil:
		return append([]uint16{amqpPort, managementPort}, e.Ports...)
	}
	return e.Ports
}

// extra are the variables of an entry beside its ports.
func (e *Entry) extra() []string {
	switch {
	case e.Kafka != nil:
		return []string{"brokers"}
	case e.Postgres != nil, e.RabbitMQ != nil:
		return []string{"url"}
	}
	return nil
}

// Variables implements scenarios.TargetConfig. With replicas NAME.PORT is the first one's.
func (c *Config) Variables() []string {
	all := c.Reserved()
	for _, n := range c.names() {
		for _, p := range (*c)[n].parts(n) {
			all = append(all, p+".id")
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Reserved implements scenarios.Reserving: how the containers reach each other is known before any of them starts.
func (c *Config) Reserved() []string {
	var all []string
	for _, n := range c.names() {
		e := (*c)[n]
		for _, owner := range append([]string{n}, e.parts(n)...) {
			for _, port := range e.ports() {
				all = append(all, owner+"."+portText(port), owner+"."+portText(port)+".port")
			}
		}
		for _, x := range e.extra() {
			all = append(all, n+"."+x)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// PartNames implements scenarios.TargetConfig.
func (c *Config) PartNames() []string {
	var all []string
	for _, n := range c.names() {
		all = append(all, (*c)[n].parts(n)...)
	}
	return all
}

// Unprefixed implements scenarios.Unprefixed: ${orders.8080}.
func (c *Config) Unprefixed() {}

// StartLimit implements scenarios.Patient: images may have to be pulled and built.
func (c *Config) StartLimit() time.Duration { return startLimit }

// Start implements scenarios.TargetConfig: Prepare and the start of what it prepared.
func (c *Config) Start(ctx context.Context, env scenarios.TargetEnv) (scenarios.Target, error) {
	p, err := c.Prepare(ctx, env)
	if err != nil {
		return nil, err
	}
	t, err := p.Start(ctx, env)
	if err != nil {
		return nil, errors.Join(err, p.Close(context.WithoutCancel(ctx)))
	}
	return t, nil
}
