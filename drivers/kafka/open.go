package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
	"wringer/drivers/expiry"
	"wringer/drivers/tlsconfig"
)

const (
	// openLimit bounds how long Open and Start look for a broker that answers.
	openLimit = 5 * time.Second
	// coordinatorLimit is openLimit where a coordinator is needed, of transactions or of a group. A fresh cluster first makes a topic for it.
	coordinatorLimit = time.Minute
	// leastPatience is the shortest time that a broker gets to answer the client. A shorter timeout ends attempts, not the
	// connection: closing it would turn a late answer into a lost one.
	leastPatience = time.Second
	// answerGrace is how much longer than the broker the client waits, so that REQUEST_TIMED_OUT can arrive.
	answerGrace = 500 * time.Millisecond
	backoff     = 100 * time.Millisecond
	// metadataRetries is how often sarama asks for metadata before it reports an error: enough for about ten minutes.
	metadataRetries = 6000
	// never is longer than any timeout in sarama.
	never = time.Duration(math.MaxInt64 / 4)
	// roomForRecord is what a record may need besides its value. With it the broker, not sarama, decides whether the record
	// is too large.
	roomForRecord = 64 << 10
)

// Open implements drivers.Config.
func (c *Config) Open(ctx context.Context, env drivers.Env) (drivers.Driver, error) {
	d, err := c.open(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("open kafka %s, topic %s: %w", c.Brokers, c.Topic, err)
	}
	if c.Reply != nil {
		return c.replying(ctx, d, env)
	}
	return d, nil
}

func (c *Config) open(ctx context.Context, env drivers.Env) (*Driver, error) {
	brokers, err := splitBrokers(c.Brokers)
	if err != nil {
		return nil, fmt.Errorf("%w: brokers: %w", drivers.ErrConfig, err)
	}
	limit := openLimit
	if c.Transactions != nil {
		limit = coordinatorLimit
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	feed, err := c.Feed(env.Files, env.Seed)
	if err != nil {
		return nil, fmt.Errorf("%w: data.file: %w", drivers.ErrConfig, err)
	}
	in := c.Data.Dialect(feed)
	message, err := c.framed(ctx, env, in)
	if err != nil {
		return nil, err
	}
	template, err := c.recordTemplate(env, in, message)
	if err != nil {
		return nil, err
	}
	d := &Driver{config: c, env: env, template: template, noAcks: c.Acks == "none", pending: newPendingRecords(),
		shutting: make(chan struct{})}
	d.contexts = expiry.NewContexts(d.end)
	d.network = newNetwork(env.Dial, patience(env.Timeout), brokers)
	if d.network.tlsConfig, err = c.access().loadTLS(env.Files); err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	d.network.silent = d.noAcks
	d.network.wrap = func(conn net.Conn, address string) net.Conn {
		t := newTap(conn, d.counters.of(address), d.pending, env.Clock, newReader(env.Identity))
		t.acked = d.acked
		if c.retries() == 0 {
			t.lost = d.connectionLost
		}
		return t
	}
	config, opened, err := c.producerConfig(env, d)
	if err != nil {
		return nil, err
	}
	guard := context.AfterFunc(ctx, d.network.close)
	err = d.connect(ctx, brokers, config)
	if !guard() && err == nil {
		d.receiveReturns()
		d.Close()
		return nil, fmt.Errorf("%w: %w", drivers.ErrUnreachable, context.Cause(ctx))
	}
	if err != nil {
		d.abandon()
		return nil, err
	}
	opened()
	d.receiveReturns()
	return d, nil
}

// connect makes the clients and producers. Afterwards the topic exists.
func (d *Driver) connect(ctx context.Context, brokers []string, config *sarama.Config) error {
	wanted := sarama.TopicDetail{NumPartitions: d.config.Partitions, ReplicationFactor: d.config.Replication}
	if wanted.ReplicationFactor == 0 {
		wanted.ReplicationFactor = -1 // the brokers' own default
	}
	if n := d.config.MinInsync; n > 0 {
		text := strconv.Itoa(int(n))
		wanted.ConfigEntries = map[string]*string{"min.insync.replicas": &text}
	}
	for n := range max(1, d.config.Producers) {
		p, err := d.openProducer(brokers, config, n, func(client sarama.Client) error {
			return findTopic(ctx, client, d.config.Topic, &wanted)
		})
		d.producers = append(d.producers, p)
		if err != nil {
			return err
		}
	}
	return nil
}

// abandon closes what connect had made before it failed.
func (d *Driver) abandon() {
	close(d.shutting)
	d.network.close()
	d.drained.Wait()
	for _, p := range d.producers {
		if p.transactor != nil {
			p.async = p.transactor.producer
		}
		if p.async != nil {
			_ = p.async.Close() // no record was sent
		}
		_ = p.close()
	}
}

// patience is how long the client waits for a broker.
func patience(timeout time.Duration) time.Duration { return max(timeout, leastPatience) }

// clientConfig is the configuration that producers and sources share. One failed metadata request is an error.
func clientConfig(env drivers.Env, n *network) *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "wringer"
	config.MetricRegistry = noMetrics{}
	config.Net.Proxy.Enable, config.Net.Proxy.Dialer = true, n
	config.Net.DialTimeout = patience(env.Timeout)
	config.Net.ReadTimeout = patience(env.Timeout) + answerGrace
	config.Net.WriteTimeout = patience(env.Timeout)
	config.Metadata.Full = false
	config.Metadata.AllowAutoTopicCreation = false
	config.Metadata.Retry.Max = 0
	return config
}

// retryMetadata makes the producer ask for metadata until a broker answers. It does so from the call of opened until the
// network is closed.
//
// sarama must not learn that metadata requests fail. Three failures within ten seconds open a circuit breaker in its
// producer, and no success closes the breaker before ten seconds are over. A partition that has healed would stay down
// meanwhile. Records that wait for metadata end at their deadlines, or by metadataFailed.
//
// The backoff `never` ends a request for metadata at once: it exceeds the timeout. sarama's search for a coordinator knows no
// timeout and would sleep so long; see coordinated.
func retryMetadata(config *sarama.Config, n *network, metadataFailed func()) (opened func()) {
	open := make(chan struct{})
	config.Metadata.Retry.Max = metadataRetries
	config.Metadata.Timeout = never / 2 // sarama gives up if the backoff exceeds this timeout
	config.Metadata.Retry.BackoffFunc = func(int, int) time.Duration {
		select {
		case <-open:
		default:
			return never
		}
		if n.isClosed() {
			return never
		}
		metadataFailed()
		return backoff
	}
	return func() { close(open) }
}

// producerConfig is the configuration of the producer.
func (c *Config) producerConfig(env drivers.Env, d *Driver) (*sarama.Config, func(), error) {
	n := d.network
	config := clientConfig(env, n)
	if c.access().setLogin(config); c.SASL != nil {
		n.logins = config
	}
	opened := retryMetadata(config, n, d.metadataFailed)
	version, err := c.version()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: version: %w", drivers.ErrConfig, err)
	}
	config.Version = version
	p := &config.Producer
	p.RequiredAcks = acksByName[c.Acks]
	p.Compression = codecByName[c.Compression]
	p.Timeout = patience(env.Timeout)
	config.Net.MaxOpenRequests = c.openRequests()
	p.Idempotent = c.idempotent()
	if c.Transactions != nil {
		p.Transaction.ID = "wringer-" + env.Identity.Run + "-" + env.Stream
	}
	p.Retry.Max, p.Retry.Backoff = c.retries(), c.backoff()
	p.Retry.BackoffFunc = func(int, int) time.Duration {
		if n.isClosed() {
			return 0 // sarama backs off for each record that it gives up: Close would take longer with every record
		}
		return c.backoff()
	}
	// sarama's goroutines pass records on one by one. The larger the buffer, the less often they wake each other.
	config.ChannelBufferSize = 1024
	p.Transaction.Retry.Max = 5 // retries of the requests for a producer id and for a commit
	p.Transaction.Retry.BackoffFunc = func(int, int) time.Duration {
		if n.isClosed() {
			return 0
		}
		return backoff
	}
	// Without acks there is no answer on the wire. In a transaction the commit acks the records.
	p.Return.Successes, p.Return.Errors = d.noAcks || c.Transactions != nil, true
	d.pending.wired = !p.Return.Successes
	p.Partitioner = c.partitioner(env.Seed)
	p.Flush.Frequency, p.Flush.Bytes = c.Linger, int(c.Batch)
	p.MaxMessageBytes = max(p.MaxMessageBytes, int(c.Size)+roomForRecord, d.template.room+roomForRecord, d.template.sizes.Largest()+roomForRecord, int(c.Batch))
	if err := config.Validate(); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	return config, opened, nil
}

// findTopic returns once the topic exists and every partition has a leader. It creates an absent topic if wanted names a
// number of partitions.
func findTopic(ctx context.Context, client sarama.Client, topic string, wanted *sarama.TopicDetail) error {
	created := client.Config().Metadata.AllowAutoTopicCreation // the brokers create it on the metadata request
	for asked := 0; ; asked++ {
		err := client.RefreshMetadata(topic)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", drivers.ErrUnreachable, err)
		case errors.Is(err, sarama.ErrLeaderNotAvailable):
			// The topic is being created, or has lost its leader: wait.
		case errors.Is(err, sarama.ErrUnknownTopicOrPartition) && wanted != nil && wanted.NumPartitions > 0 && !created:
			if err := createTopic(client, topic, wanted); err != nil {
				return err
			}
			created = true
		case errors.Is(err, sarama.ErrUnknownTopicOrPartition):
			if (!created || wanted == nil) && asked >= unknownPolls {
				return fmt.Errorf("%w: the topic does not exist; create it, or have it created: `partitions` of the stream, --partitions of wringer load", drivers.ErrConfig)
			}
		case errors.Is(err, sarama.ErrSASLAuthenticationFailed), errors.Is(err, sarama.ErrUnsupportedSASLMechanism):
			return fmt.Errorf("%w: the brokers refuse the login; look at sasl: %w", drivers.ErrConfig, err)
		case client.Config().Net.SASL.Enable && errors.Is(err, io.EOF):
			return fmt.Errorf("%w: the connection was closed during the login, perhaps because the brokers refuse it; look at sasl: %w", drivers.ErrUnreachable, err)
		case errors.Is(err, tlsconfig.ErrHandshake):
			return fmt.Errorf("%w: look at tls: %w", drivers.ErrUnreachable, err)
		case errors.Is(err, sarama.ErrInvalidTopic):
			return fmt.Errorf("%w: %w", drivers.ErrConfig, err)
		case isDenied(err):
			return denied("to see the topic (Describe)", err)
		case errors.As(err, new(*net.DNSError)):
			return fmt.Errorf("%w: no broker was found; look at brokers: %w", drivers.ErrUnreachable, err)
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%w: the connection was closed without an answer; the brokers may require a login or TLS; look at sasl and tls: %w", drivers.ErrUnreachable, err)
		default:
			return fmt.Errorf("%w: %w", drivers.ErrUnreachable, err)
		}
		if !drivers.Pause(ctx, backoff) {
			return fmt.Errorf("%w: %w", drivers.ErrUnreachable, err)
		}
	}
}

// isDenied says whether a broker refused for lack of permission.
func isDenied(err error) bool {
	for _, code := range []sarama.KError{sarama.ErrTopicAuthorizationFailed, sarama.ErrClusterAuthorizationFailed, sarama.ErrTransactionalIDAuthorizationFailed} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

// denied says which permission the login lacks.
func denied(what string, err error) error {
	return fmt.Errorf("%w: the login is not allowed %s; grant that, or look at sasl: %w", drivers.ErrConfig, what, err)
}

// unknownPolls is how often an unknown topic is looked up before it counts as absent. Brokers may create topics on demand,
// and learn of an existing topic at different times.
const unknownPolls = 10

// createTopic creates a topic. A topic that exists already is no error.
func createTopic(client sarama.Client, topic string, detail *sarama.TopicDetail) error {
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return fmt.Errorf("%w: create the topic: %w", drivers.ErrUnreachable, err)
	}
	err = admin.CreateTopic(topic, detail, false)
	if err == nil || errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return nil
	}
	if isDenied(err) {
		return denied("to create the topic (Create)", err)
	}
	var kafka sarama.KError
	var refusal *sarama.TopicError
	if errors.As(err, &kafka) || errors.As(err, &refusal) {
		return fmt.Errorf("%w: create the topic: %w", drivers.ErrConfig, err)
	}
	return fmt.Errorf("%w: create the topic: %w", drivers.ErrUnreachable, err)
}
