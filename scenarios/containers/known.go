package containers

import (
	"cmp"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// The ports of the systems that the package knows.
const (
	kafkaPort      = 9092 // inside the run's network
	postgresPort   = 5432
	amqpPort       = 5672
	managementPort = 15672
)

// Kafka is a cluster of Apache Kafka brokers in KRaft mode, configured by the variables of the image apache/kafka.
type Kafka struct {
	Image   string `yaml:"image" jsonschema_description:"Default apache/kafka:4.1.0."`
	Brokers int    `yaml:"brokers" jsonschema_description:"The number of brokers, 1 to 9. Default 1. Each is a broker and a controller."`
}

// Postgres is a PostgreSQL server, configured by the variables of the image postgres.
type Postgres struct {
	Image    string   `yaml:"image" jsonschema_description:"Default postgres:17."`
	Database string   `yaml:"database" jsonschema_description:"The database that is made. Default test."`
	User     string   `yaml:"user" jsonschema_description:"Its owner. Default test."`
	Password string   `yaml:"password" jsonschema_description:"The owner's password. Default test."`
	Init     []string `yaml:"init" path:"file" jsonschema_description:"Files .sql and .sh that the first start runs in this order, relative to the scenario."`
}

// RabbitMQ is a cluster of RabbitMQ nodes, configured by the variables of the image rabbitmq.
type RabbitMQ struct {
	Image    string `yaml:"image" jsonschema_description:"Default rabbitmq:4-management."`
	Nodes    int    `yaml:"nodes" jsonschema_description:"The number of nodes, 1 to 9. Default 1."`
	User     string `yaml:"user" jsonschema_description:"Default test."`
	Password string `yaml:"password" jsonschema_description:"Default test."`
}

// slowStart is the time that brokers and databases get to become ready, on a busy machine too.
const slowStart = 3 * time.Minute

const (
	maxNodes = 9
	known    = "test" // the default of users, passwords and databases
)

func (k *Kafka) check(e *Entry, problem func(field, message string)) {
	if k == nil {
		return
	}
	if k.Brokers < 0 || k.Brokers > maxNodes {
		problem("kafka.brokers", fmt.Sprintf("%d is not between 1 and %d", k.Brokers, maxNodes))
	}
	if e.Replicas > 1 {
		problem("replicas", "goes with image and build; write kafka.brokers")
	}
}

func (p *Postgres) check(problem func(field, message string)) {
	if p == nil {
		return
	}
	for _, file := range p.Init {
		if !strings.HasSuffix(file, ".sql") && !strings.HasSuffix(file, ".sh") {
			problem("postgres.init", fmt.Sprintf("%q is neither .sql nor .sh: the image would not run it", file))
		}
	}
}

func (r *RabbitMQ) check(e *Entry, problem func(field, message string)) {
	if r == nil {
		return
	}
	if r.Nodes < 0 || r.Nodes > maxNodes {
		problem("rabbitmq.nodes", fmt.Sprintf("%d is not between 1 and %d", r.Nodes, maxNodes))
	}
	if e.Replicas > 1 {
		problem("replicas", "goes with image and build; write rabbitmq.nodes")
	}
	if strings.Contains(r.Password, ":") {
		problem("rabbitmq.password", "holds a colon: RabbitMQ takes such a value for an encrypted one, and does not start; choose another")
	}
}

// kafkaHostPort is the listener of a broker for clients outside the run's network; kafkaController serves the controllers.
const (
	kafkaHostPort   = 19092
	kafkaController = 9093
)

// know sets what the package knows of the i-th part of the entry n.
func (e *Entry) know(n string, i int, s *Service) {
	switch {
	case e.Kafka != nil:
		s.Image, s.Within = cmp.Or(e.Kafka.Image, "apache/kafka:4.1.0"), cmp.Or(s.Within, slowStart)
		s.Env, s.Through = e.kafkaEnv(n, i, s.Within), map[uint16]uint16{kafkaPort: kafkaHostPort}
	case e.Postgres != nil:
		p := e.Postgres
		s.Image, s.Within = cmp.Or(p.Image, "postgres:17"), cmp.Or(s.Within, slowStart)
		s.Env = map[string]string{
			"POSTGRES_DB": p.database(), "POSTGRES_USER": cmp.Or(p.User, known), "POSTGRES_PASSWORD": cmp.Or(p.Password, known),
		}
	case e.RabbitMQ != nil:
		r := e.RabbitMQ
		s.Image, s.Within = cmp.Or(r.Image, "rabbitmq:4-management"), cmp.Or(s.Within, slowStart)
		s.Env = map[string]string{"RABBITMQ_DEFAULT_USER": cmp.Or(r.User, known), "RABBITMQ_DEFAULT_PASS": cmp.Or(r.Password, known)}
	}
}

func (p *Postgres) database() string { return cmp.Or(p.Database, known) }

// kafkaEnv configures the i-th broker: one listener for the run's network and one for clients outside. A broker that its controllers
// do not know within the time gives up: by itself after a minute, which a busy machine takes to start three.
func (e *Entry) kafkaEnv(n string, i int, within time.Duration) map[string]string {
	parts := e.parts(n)
	var voters []string
	for j, part := range parts {
		voters = append(voters, fmt.Sprintf("%d@%s:%d", j+1, part, kafkaController))
	}
	copies := fmt.Sprint(min(len(parts), 3))
	return map[string]string{
		"KAFKA_NODE_ID":                                  fmt.Sprint(i + 1),
		"KAFKA_PROCESS_ROLES":                            "broker,controller",
		"KAFKA_CONTROLLER_QUORUM_VOTERS":                 strings.Join(voters, ","),
		"KAFKA_CONTROLLER_LISTENER_NAMES":                "CONTROLLER",
		"KAFKA_LISTENERS":                                fmt.Sprintf("INSIDE://:%d,OUTSIDE://:%d,CONTROLLER://:%d", kafkaPort, kafkaHostPort, kafkaController),
		"KAFKA_LISTENER_SECURITY_PROTOCOL_MAP":           "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"KAFKA_INTER_BROKER_LISTENER_NAME":               "INSIDE",
		"KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR":         copies,
		"KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": copies,
		"KAFKA_TRANSACTION_STATE_LOG_MIN_ISR":            fmt.Sprint(min(len(parts), 2)),
		"KAFKA_DEFAULT_REPLICATION_FACTOR":               copies,
		"KAFKA_MIN_INSYNC_REPLICAS":                      fmt.Sprint(min(len(parts), 2)),
		"KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS":         "0",
		"KAFKA_INITIAL_BROKER_REGISTRATION_TIMEOUT_MS":   fmt.Sprint(within.Milliseconds()),
		"CLUSTER_ID": clusterID,
	}
}

// clusterID is a Kafka cluster's identity: 16 bytes in base64. Every run's network has one cluster of a name, so that any will do.
const clusterID = "d3JpbmdlcnRlc3RrYWZrYQ"

// knownVars are the variables of a system that the package knows, as one side sees them.
func (e *Entry) knownVars(n string, at view) map[string]string {
	switch {
	case e.Kafka != nil:
		var all []string
		for _, part := range e.parts(n) {
			all = append(all, at(part, kafkaPort))
		}
		return map[string]string{n + ".brokers": strings.Join(all, ",")}
	case e.Postgres != nil:
		p := e.Postgres
		u := url.URL{
			Scheme: "postgres", User: url.UserPassword(cmp.Or(p.User, known), cmp.Or(p.Password, known)),
			Host: at(n, postgresPort), Path: "/" + p.database(), RawQuery: "sslmode=disable",
		}
		return map[string]string{n + ".url": u.String()}
	case e.RabbitMQ != nil:
		r := e.RabbitMQ
		u := url.URL{
			Scheme: "amqp", User: url.UserPassword(cmp.Or(r.User, known), cmp.Or(r.Password, known)),
			Host: at(e.parts(n)[0], amqpPort), Path: "/",
		}
		return map[string]string{n + ".url": u.String()}
	}
	return nil
}

// settle sets what depends on the addresses: what the brokers tell their clients, and the files of a first start.
func (e *Entry) settle(n string, s *Service, files string, outside view) {
	switch {
	case e.Kafka != nil:
		s.Env["KAFKA_ADVERTISED_LISTENERS"] = fmt.Sprintf("INSIDE://%s,OUTSIDE://%s", inside(s.Name, kafkaPort), outside(s.Name, kafkaPort))
	case e.Postgres != nil:
		for i, file := range e.Postgres.Init {
			path := fmt.Sprintf("/docker-entrypoint-initdb.d/%03d-%s", i, filepath.Base(file))
			s.Files = append(s.Files, File{Path: path, Mode: 0o755, Source: within(files, file)})
		}
	case e.RabbitMQ != nil:
		s.Files = append(s.Files, e.rabbitFiles(n)...)
	}
}

// rabbitFiles make the nodes of an entry one cluster: a secret that they share, and a list of them. A single node needs none.
func (e *Entry) rabbitFiles(n string) []File {
	parts := e.parts(n)
	if len(parts) == 1 {
		return nil
	}
	var config strings.Builder
	config.WriteString("cluster_formation.peer_discovery_backend = classic_config\n")
	for i, part := range parts {
		fmt.Fprintf(&config, "cluster_formation.classic_config.nodes.%d = rabbit@%s\n", i+1, part)
	}
	return []File{
		{Path: "/var/lib/rabbitmq/.erlang.cookie", Mode: 0o400, Text: strings.NewReader("wringer-test-cluster")},
		{Path: "/etc/rabbitmq/conf.d/50-cluster.conf", Mode: 0o644, Text: strings.NewReader(config.String())},
	}
}
