package kafka

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
	"wringer/drivers/syntax"
	"wringer/drivers/tlsconfig"
)

// Config is the `kafka:` part of a stream.
type Config struct {
	Brokers      string            `yaml:"brokers" jsonschema:"required" jsonschema_description:"Brokers to begin with: host:port, separated by commas."`
	Topic        string            `yaml:"topic" jsonschema:"required" jsonschema_description:"The topic that the stream writes to."`
	Acks         string            `yaml:"acks" jsonschema:"enum=none,enum=leader,enum=all" jsonschema_description:"Who must have a record before it counts as acked. With none, acked says no more than that it was written to the connection. Default all."`
	Idempotent   bool              `yaml:"idempotent" jsonschema_description:"The client library numbers its batches, so that its own resends make no duplicates."`
	Retries      *int              `yaml:"retries" jsonschema_description:"Resends by the client library itself, beneath the stream's retry policy; counted as hidden. Default 0; 3 when idempotent."`
	Key          string            `yaml:"key" jsonschema_description:"The record's key. May hold {{...}}. Default: {{key}} when the stream has keys, else none."`
	Value        string            `yaml:"value" jsonschema_description:"The record's value. May hold {{...}}. Default: {\"id\":\"{{id}}\"}."`
	ValueFile    string            `yaml:"value_file" path:"file" jsonschema_description:"Instead of value: a file that holds it, relative to the scenario; read once. May hold {{...}} where it is UTF-8; other bytes go out as they stand."`
	Message      any               `yaml:"message" jsonschema_description:"Instead of value: the value's fields, encoded by schema. Strings may hold {{...}}, also where the field is a number; bytes are in base64; of an Avro union that may be of several types, {TYPE: value}."`
	Data         *drivers.Data     `yaml:"data" jsonschema_description:"A file whose rows feed the templates."`
	Schema       *Schema           `yaml:"schema" jsonschema_description:"The Avro or Protobuf schema of message. Values are framed as readers with a Schema Registry expect them."`
	Size         drivers.Bytes     `yaml:"size" jsonschema_description:"Values that are shorter are padded to this size with spaces, which JSON allows."`
	Sizes        map[string]uint32 `yaml:"sizes" jsonschema_description:"Sizes of values and their weights, drawn for each record: {100: 90, 1KiB-4KiB: 9, 1MiB: 1}. Instead of size."`
	Headers      map[string]string `yaml:"headers" jsonschema_description:"Further record headers by name. Values may hold {{...}}."`
	Compression  string            `yaml:"compression" jsonschema:"enum=none,enum=gzip,enum=snappy,enum=lz4,enum=zstd" jsonschema_description:"Default none."`
	Linger       time.Duration     `yaml:"linger" jsonschema_description:"How long a batch waits for more records. Default: none; a batch holds what came while the one before was under way."`
	Batch        drivers.Bytes     `yaml:"batch" jsonschema_description:"Size at which a batch lingers no longer. Needs linger."`
	Producers    int               `yaml:"producers" jsonschema_description:"Producers, each with connections of its own. One of them sends all records of a key; records without a key go to each in turn. Default 1."`
	Requests     int               `yaml:"requests" jsonschema_description:"Requests that may be open at once to one broker. Default 5; an idempotent producer has 1."`
	Backoff      time.Duration     `yaml:"backoff" jsonschema_description:"How long the client library waits before it resends. Default 100ms."`
	Partitioner  string            `yaml:"partitioner" jsonschema:"enum=hash,enum=murmur2,enum=crc32,enum=round_robin,enum=random" jsonschema_description:"Where a record goes: by the hash of its key as sarama has it (FNV-1a, the default), as Java's client has it (murmur2) or as librdkafka has it (crc32), records without a key at random; or, whatever the key, to each partition in turn or at random, which gives up the order of keys."`
	Verify       *bool             `yaml:"verify" jsonschema_description:"Read the topic back and account for every record. Default true."`
	Partitions   int32             `yaml:"partitions" jsonschema_description:"Create the topic with so many partitions when it is absent. Default: an absent topic is an error."`
	Replication  int16             `yaml:"replication" jsonschema_description:"Replicas of a topic that is created. Default: the brokers' own."`
	MinInsync    int16             `yaml:"min_insync" jsonschema_description:"min.insync.replicas of a topic that is created: how many replicas must have a record before acks: all acknowledges it. Default: the brokers' own."`
	Transactions *Transactions     `yaml:"transactions" jsonschema_description:"Send the records in transactions. Implies idempotent."`
	Reply        *Reply            `yaml:"reply" jsonschema_description:"Each record is a request; its operation is acked when the reply came. Default: none; acked by the brokers."`
	TLS          *tlsconfig.Config `yaml:"tls" jsonschema_description:"Speak TLS with the brokers."`
	SASL         *SASL             `yaml:"sasl" jsonschema_description:"Log in to the brokers."`
	Version      string            `yaml:"version" jsonschema_description:"Newest protocol version to speak, as in 2.8.0; at least 0.11.0. Default 2.8.0. Older brokers are met on their own."`
}

const (
	// HeaderID is the record header that carries the operation's identity.
	HeaderID = "wringer-id"
	// HeaderAttempt is the record header that carries the attempt's number when the number is 2 or more. It distinguishes a
	// retry by the stream's own policy from a resend by the client library.
	HeaderAttempt = "wringer-attempt"

	defaultValue             = `{"id":"{{id}}"}`
	defaultKey               = "{{key}}"
	defaultIdempotentRetries = 3
	maxRetries               = 1000
	defaultRequests          = 5
	maxRequests              = 1000
	maxProducers             = 256
	maxBackoff               = time.Minute
	maxPartitions            = 10_000
	// maxLinger bounds how long Close takes: sarama v1.61.1 does not shut down while a batch lingers.
	maxLinger = 10 * time.Second
)

// Names of the values of acks and compression.
var (
	acksByName  = map[string]sarama.RequiredAcks{"": sarama.WaitForAll, "all": sarama.WaitForAll, "leader": sarama.WaitForLocal, "none": sarama.NoResponse}
	codecByName = map[string]sarama.CompressionCodec{
		"": sarama.CompressionNone, "none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
		"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
	}
)

// Check implements drivers.Config.
func (c *Config) Check(problem func(field, message string)) {
	checkPlace(c.Brokers, c.Topic, problem)
	c.access().check(problem)
	if _, ok := acksByName[c.Acks]; !ok {
		problem("acks", fmt.Sprintf("%q is not one of all, leader, none", c.Acks))
	}
	if _, ok := codecByName[c.Compression]; !ok {
		problem("compression", fmt.Sprintf("%q is not one of none, gzip, snappy, lz4, zstd", c.Compression))
	}
	if partitionerByName[c.Partitioner] == nil {
		problem("partitioner", fmt.Sprintf("%q is not one of hash, murmur2, crc32, round_robin, random", c.Partitioner))
	}
	if _, err := c.version(); err != nil {
		problem("version", err.Error())
	}
	c.checkReliability(problem)
	c.checkAmounts(problem)
	c.checkTexts(problem)
	c.checkMessage(problem)
	c.checkReply(problem)
}

func (c *Config) checkReliability(problem func(field, message string)) {
	switch {
	case c.Retries == nil:
	case *c.Retries < 0 || *c.Retries > maxRetries:
		problem("retries", fmt.Sprintf("must be 0 to %d", maxRetries))
	case c.idempotent() && *c.Retries == 0:
		problem("retries", "an idempotent producer needs at least 1")
	}
	if c.Producers < 0 || c.Producers > maxProducers {
		problem("producers", fmt.Sprintf("must be 1 to %d", maxProducers))
	}
	if c.Requests < 0 || c.Requests > maxRequests {
		problem("requests", fmt.Sprintf("must be 1 to %d", maxRequests))
	}
	if c.idempotent() && c.Requests > 1 {
		problem("requests", "the client library keeps one request open when it is idempotent; leave it out")
	}
	if c.Backoff < 0 || c.Backoff > maxBackoff {
		problem("backoff", fmt.Sprintf("must be at most %v", maxBackoff))
	}
	if c.Backoff > 0 && c.retries() == 0 {
		problem("backoff", "needs retries: without them the client library resends nothing")
	}
	if c.Transactions != nil {
		c.Transactions.check(problem)
	}
	if c.idempotent() && acksByName[c.Acks] != sarama.WaitForAll {
		problem("acks", "an idempotent producer needs all")
	}
}

func (c *Config) checkAmounts(problem func(field, message string)) {
	if c.Size < 0 || c.Size > drivers.MaxSize {
		problem("size", fmt.Sprintf("must be at most %s", drivers.Bytes(drivers.MaxSize)))
	}
	if _, err := drivers.CompileSizes(c.Sizes); err != nil {
		problem("sizes", err.Error())
	}
	if c.Size > 0 && len(c.Sizes) > 0 {
		problem("sizes", "conflicts with size: add that size to sizes, or leave size out")
	}
	if c.Linger < 0 || c.Linger > maxLinger {
		problem("linger", fmt.Sprintf("must be at most %v", maxLinger))
	}
	if c.Batch < 0 || c.Batch > drivers.MaxSize {
		problem("batch", fmt.Sprintf("must be at most %s", drivers.Bytes(drivers.MaxSize)))
	}
	if c.Batch > 0 && c.Linger == 0 {
		problem("batch", "needs linger: without it no batch waits to be filled")
	}
	if c.Partitions < 0 || c.Partitions > maxPartitions {
		problem("partitions", fmt.Sprintf("must be 1 to %d", maxPartitions))
	}
	if c.Replication < 0 {
		problem("replication", "must be 1 or more")
	}
	if c.MinInsync < 0 || c.Replication > 0 && c.MinInsync > c.Replication {
		problem("min_insync", "must be 1 to the number of replicas")
	}
	if c.MinInsync > 0 && c.Partitions == 0 {
		problem("min_insync", "needs partitions: it matters only for a topic that is created")
	}
	if c.Replication > 0 && c.Partitions == 0 {
		problem("replication", "needs partitions: it matters only for a topic that is created")
	}
}

func (c *Config) checkTexts(problem func(field, message string)) {
	texts := map[string]string{"key": c.Key, "value": c.Value}
	for name, text := range c.Headers {
		texts["headers."+name] = text
		if name == HeaderID || name == HeaderAttempt {
			problem("headers."+name, "is the driver's own header; choose another name")
		}
	}
	if c.Value != "" && c.ValueFile != "" {
		problem("value_file", "stands beside value; keep one of the two")
	}
	for _, field := range slices.Sorted(maps.Keys(texts)) {
		in := c.Data.Dialect(nil)
		if field == "value" {
			in.Syntax = syntax.Body("", texts[field])
		}
		if _, err := in.Compile(texts[field]); err != nil {
			problem(field, err.Error())
		}
	}
}

// checkPlace checks the brokers and the topic, for streams and sources alike.
func checkPlace(brokers, topic string, problem func(field, message string)) {
	if _, err := splitBrokers(brokers); err != nil && !strings.Contains(brokers, "${") {
		problem("brokers", err.Error())
	}
	switch {
	case topic == "":
		problem("topic", "names no topic")
	case strings.Contains(topic, "{{"):
		problem("topic", "a stream has one topic: {{...}} is not rendered in its name")
	}
}

// splitBrokers splits "a:1, b:2".
func splitBrokers(text string) ([]string, error) {
	var brokers []string
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		host, port, err := net.SplitHostPort(part)
		if err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("%q is no broker: write host:port, several separated by commas", part)
		}
		brokers = append(brokers, part)
	}
	return brokers, nil
}

func (c *Config) version() (sarama.KafkaVersion, error) {
	if c.Version == "" {
		return sarama.DefaultVersion, nil
	}
	v, err := sarama.ParseKafkaVersion(c.Version)
	if err != nil {
		return v, fmt.Errorf("%q is no version: write 2.8.0", c.Version)
	}
	if !v.IsAtLeast(sarama.V0_11_0_0) {
		return v, fmt.Errorf("%s has no record headers, which carry the identity: write 0.11.0.0 or above", c.Version)
	}
	return v, nil
}

func (c *Config) retries() int {
	switch {
	case c.Retries != nil:
		return *c.Retries
	case c.idempotent():
		return defaultIdempotentRetries
	}
	return 0
}

// Feed implements drivers.Fed.
func (c *Config) Feed(folder string, seed uint64) (*drivers.Feed, error) {
	return c.Data.Feed(folder, seed)
}

func (c *Config) access() access { return access{c.TLS, c.SASL} }

func (c *Config) idempotent() bool { return c.Idempotent || c.Transactions != nil }

func (c *Config) openRequests() int {
	switch {
	case c.idempotent():
		return 1 // sarama requires it
	case c.Requests > 0:
		return c.Requests
	}
	return defaultRequests
}

func (c *Config) backoff() time.Duration {
	if c.Backoff > 0 {
		return c.Backoff
	}
	return backoff
}

func (c *Config) verify() bool { return c.Verify == nil || *c.Verify }
