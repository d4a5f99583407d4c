package kafkalink

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/faults"
	"wringer/faults/faulttest"
)

// produce is a Produce request of version 3 with these acks. It has one partition of one topic, and no records.
func produce(correlation int32, acks int16) []byte {
	r := kmsg.NewPtrProduceRequest()
	r.SetVersion(3)
	r.Acks = acks
	r.Topics = []kmsg.ProduceRequestTopic{{Topic: "orders", Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: 2}}}}
	return frame(int16(kmsg.Produce), 3, correlation, r.AppendTo(nil)...)
}

func TestConformance(t *testing.T) {
	for _, a := range []Act{
		{API: "produce", Drop: "answers"},
		{API: "produce", Drop: "requests"},
		{API: "produce", Error: "NOT_LEADER_OR_FOLLOWER"},
		{API: "produce", Delay: 20 * time.Millisecond},
	} {
		t.Run((&FaultConfig{Act: a}).words(), func(t *testing.T) {
			t.Parallel()
			faulttest.Run(t, func(t *testing.T) faulttest.Rig {
				r := newRig(t, serve(t, echo))
				return faulttest.Rig{Config: &FaultConfig{Link: "l", Act: a}, Fault: r.open(t, a), Meet: func(ctx context.Context) error {
					c, err := net.Dial("tcp", r.address)
					if err != nil {
						return err
					}
					defer c.Close()
					defer context.AfterFunc(ctx, func() { c.Close() })()
					request := produce(9, -1)
					if _, err := c.Write(request); err != nil {
						return err
					}
					got, err := readFrame(c)
					if err == nil && !bytes.Equal(got, echo(request)) {
						return errors.New("another answer came")
					}
					return err
				}}
			})
		})
	}
}

// Bytes that no fault names and that hold no address pass unchanged, whatever they are.
func TestPassesUnchanged(t *testing.T) {
	var heard [][]byte
	r := newRig(t, serve(t, func(request []byte) []byte { heard = append(heard, request); return echo(request) }))
	c := r.dial(t)
	long := bytes.Repeat([]byte("long "), 100_000)
	sent := [][]byte{
		frame(0x7000, 3, 1, []byte("an API that nobody knows")...),
		frame(int16(kmsg.Metadata), 99, 2, []byte("a version that nobody knows")...),
		frame(int16(kmsg.Metadata), 1, 3, []byte("no answer to Metadata")...),
		frame(int16(kmsg.Fetch), 4, 900, long...),
		frame(int16(kmsg.Fetch), 4, -5),
		produce(4, 1),
	}
	for _, request := range sent {
		send(t, c, request)
		wants(t, c, "answer", echo(request))
	}
	for i, request := range sent {
		if !bytes.Equal(heard[i], request) {
			t.Errorf("request %d arrived changed", i)
		}
	}
}

func TestPassesWhatIsNoKafka(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	hello := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc a TLS hello"
	heard := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			heard <- err.Error()
			return
		}
		defer c.Close()
		got := make([]byte, len(hello))
		_, _ = io.ReadFull(c, got)
		_, _ = io.WriteString(c, "\x15\x03\x01 and no answer of Kafka's")
		heard <- string(got)
	}()
	c := newRig(t, l.Addr().String()).dial(t)
	send(t, c, []byte(hello))
	if got, err := io.ReadAll(c); string(got) != "\x15\x03\x01 and no answer of Kafka's" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if got := <-heard; got != hello {
		t.Errorf("the target heard %q", got)
	}
}

func TestErrorIsAnsweredInItsTurn(t *testing.T) {
	release := make(chan struct{})
	r := newRig(t, serve(t, func(request []byte) []byte {
		if key := binary.BigEndian.Uint16(request[4:]); key == uint16(kmsg.Produce) {
			t.Error("the broker got the Produce")
		}
		<-release
		return echo(request)
	}))
	f := r.inject(t, Act{API: "produce", Error: "NOT_LEADER_OR_FOLLOWER"})
	c := r.dial(t)
	// A delay on another API makes the earlier answer an expected one.
	slow := r.inject(t, Act{API: "fetch", Delay: time.Millisecond})
	first := frame(int16(kmsg.Fetch), 4, 1)
	send(t, c, first, produce(2, -1))
	close(release)
	wants(t, c, "first", echo(first))
	got, err := readFrame(c)
	if err != nil {
		t.Fatal(err)
	}
	answer := kmsg.NewPtrProduceResponse()
	answer.SetVersion(3)
	if err := answer.ReadFrom(got[8:]); err != nil || binary.BigEndian.Uint32(got[4:]) != 2 {
		t.Fatalf("got %x: %v", got, err)
	}
	p := answer.Topics[0].Partitions[0]
	if answer.Topics[0].Topic != "orders" || p.Partition != 2 || p.ErrorCode != 6 || p.BaseOffset != -1 {
		t.Errorf("answered %+v", answer.Topics)
	}
	if b := f.Bite(); !b.Bit || b.Connections != 1 || b.Bytes == 0 {
		t.Errorf("bite %+v", b)
	}
	faulttest.Heal(t, slow)
	faulttest.Heal(t, f)
}

// A request that is never answered silences the answers behind it. Healing resets the connection.
func TestDropSilencesItsConnection(t *testing.T) {
	for _, drop := range []string{dropAnswers, dropRequests} {
		t.Run(drop, func(t *testing.T) {
			got := make(chan int16, 10)
			r := newRig(t, serve(t, func(request []byte) []byte {
				got <- int16(binary.BigEndian.Uint16(request[4:]))
				return echo(request)
			}))
			f := r.inject(t, Act{API: "produce", Drop: drop})
			c, other := r.dial(t), r.dial(t)
			before, behind := frame(18, 0, 1), frame(18, 0, 3)
			send(t, c, before)
			wants(t, c, "before", echo(before))
			send(t, c, produce(2, -1), behind)
			if <-got != 18 {
				t.Error("the first request did not arrive")
			}
			if key := <-got; (key == 0) != (drop == dropAnswers) {
				t.Errorf("then API %d arrived", key)
			}
			send(t, other, before)
			wants(t, other, "another connection", echo(before))
			f.awaitSilence(t) // an answer that comes after healing is not dropped
			faulttest.Heal(t, f)
			if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("after healing: %d bytes, %v, not a reset", n, err)
			}
			send(t, other, produce(5, -1))
			wants(t, other, "after healing", echo(produce(5, -1)))
		})
	}
}

func TestFirstAndShare(t *testing.T) {
	for _, tt := range []struct {
		act         Act
		least, most int64
	}{
		{Act{API: "produce", Error: "NOT_LEADER_OR_FOLLOWER", First: 3}, 3, 3},
		{Act{API: "produce", Error: "NOT_LEADER_OR_FOLLOWER", Share: 0.3}, 220, 380},
		{Act{API: "produce", Error: "NOT_LEADER_OR_FOLLOWER"}, 1000, 1000},
	} {
		r := newRig(t, serve(t, echo))
		f := r.inject(t, tt.act)
		c := r.dial(t)
		for i := range int32(1000) {
			send(t, c, produce(i, -1))
			if _, err := readFrame(c); err != nil {
				t.Fatal(err)
			}
		}
		if n := f.Matched(); n < tt.least || n > tt.most {
			t.Errorf("%s: %d of 1000", f.name, n)
		}
		faulttest.Heal(t, f)
	}
}

func TestLongAnswersPassUnread(t *testing.T) {
	long := bytes.Repeat([]byte("long "), 100_000)
	r := newRig(t, serve(t, func(request []byte) []byte { return withLength(append(echo(request)[:8], long...)) }))
	c := r.dial(t)
	send(t, c, frame(int16(kmsg.Fetch), lastPlainFetch, 1, 0))
	if got, err := readFrame(c); err != nil || !bytes.Equal(got[8:], long) {
		t.Errorf("%v", err)
	}
}

// Clients are offered no version whose answers name brokers in a place that is not read.
func TestOffersWhatItReads(t *testing.T) {
	offered := kmsg.NewPtrApiVersionsResponse()
	for _, key := range []kmsg.Key{kmsg.Produce, kmsg.Fetch, kmsg.Metadata, kmsg.Heartbeat} {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MaxVersion = int16(key), 99
		offered.ApiKeys = append(offered.ApiKeys, k)
	}
	offered.SetVersion(3)
	m := &layer{mapping: &mapping{}}
	got, err := m.rewritten(int16(kmsg.ApiVersions), 3, offered.AppendTo(nil))
	if err != nil {
		t.Fatal(err)
	}
	answer := kmsg.NewPtrApiVersionsResponse()
	answer.SetVersion(3)
	if err := answer.ReadFrom(got); err != nil {
		t.Fatal(err)
	}
	for _, k := range answer.ApiKeys {
		want := int16(99)
		switch kmsg.Key(k.ApiKey) {
		case kmsg.Fetch:
			want = lastPlainFetch
		case kmsg.Produce, kmsg.Metadata:
			want = kmsg.ResponseForKey(k.ApiKey).MaxVersion()
		}
		if k.MaxVersion != want {
			t.Errorf("%s is offered up to %d, want %d", kmsg.NameForKey(k.ApiKey), k.MaxVersion, want)
		}
	}
	// A broker that does not know the request's version answers so in version 0.
	old := kmsg.NewPtrApiVersionsResponse()
	old.ErrorCode = 35
	if !unsupported(int16(kmsg.ApiVersions), old.AppendTo(nil)) {
		t.Error("UNSUPPORTED_VERSION is taken for an answer that is not understood")
	}
}

// answers has one answer of each kind that names brokers, with addresses that no link has.
func answers() []kmsg.Response {
	metadata := kmsg.NewPtrMetadataResponse()
	b := kmsg.NewMetadataResponseBroker()
	b.NodeID, b.Host, b.Port, b.Rack = 1, "broker-1.internal", 9092, kmsg.StringPtr("a")
	metadata.Brokers = []kmsg.MetadataResponseBroker{b}
	metadata.ClusterID = kmsg.StringPtr("c")
	coordinator := kmsg.NewPtrFindCoordinatorResponse()
	coordinator.NodeID, coordinator.Host, coordinator.Port = 1, "broker-1.internal", 9092
	group := kmsg.NewFindCoordinatorResponseCoordinator()
	group.Key, group.NodeID, group.Host, group.Port = "g", 1, "broker-1.internal", 9092
	none := kmsg.NewFindCoordinatorResponseCoordinator()
	none.Key, none.NodeID, none.Port, none.ErrorCode = "h", -1, -1, 15
	coordinator.Coordinators = []kmsg.FindCoordinatorResponseCoordinator{group, none}
	described := kmsg.NewPtrDescribeClusterResponse()
	d := kmsg.NewDescribeClusterResponseBroker()
	d.NodeID, d.Host, d.Port = 1, "broker-1.internal", 9092
	described.Brokers = []kmsg.DescribeClusterResponseBroker{d}
	produced := kmsg.NewPtrProduceResponse()
	p := kmsg.NewProduceResponseBroker()
	p.NodeID, p.Host, p.Port = 1, "broker-1.internal", 9092
	produced.Brokers = []kmsg.ProduceResponseBroker{p}
	fetched := kmsg.NewPtrFetchResponse()
	f := kmsg.NewFetchResponseBroker()
	f.NodeID, f.Host, f.Port = 1, "broker-1.internal", 9092
	fetched.Brokers = []kmsg.FetchResponseBroker{f}
	shared := kmsg.NewPtrShareFetchResponse()
	s := kmsg.NewShareFetchResponseNodeEndpoint()
	s.NodeID, s.Host, s.Port = 1, "broker-1.internal", 9092
	shared.NodeEndpoints = []kmsg.ShareFetchResponseNodeEndpoint{s}
	return []kmsg.Response{metadata, coordinator, described, produced, fetched, shared}
}

// In every version of every answer the address is replaced, and nothing else. Putting the address back gives the same
// bytes.
func TestRewritesAddressesAlone(t *testing.T) {
	m := &layer{mapping: &mapping{advertise: "10.0.0.7", brokers: map[int32]*broker{1: {port: 19094}}}}
	back := &layer{mapping: &mapping{advertise: "broker-1.internal", brokers: map[int32]*broker{1: {port: 9092}}}}
	for _, answer := range answers() {
		for version := int16(0); version <= answer.MaxVersion(); version++ {
			if !namesBrokers(answer.Key(), version) {
				continue
			}
			answer.SetVersion(version)
			var body []byte
			if answer.IsFlexible() {
				body = append(body, 1, 5, 2, 'h', 'i') // a tagged field in the header
			}
			body = answer.AppendTo(body)
			got, err := m.rewritten(answer.Key(), version, body)
			if err != nil {
				t.Errorf("%T v%d: %v", answer, version, err)
				continue
			}
			if bytes.Contains(got, []byte("broker-1.internal")) || !bytes.Contains(got, []byte("10.0.0.7")) {
				t.Errorf("%T v%d: the broker's own address is still in it: %q", answer, version, got)
			}
			if again, err := back.rewritten(answer.Key(), version, got); err != nil || !bytes.Equal(again, body) {
				t.Errorf("%T v%d: more than the address was changed: %v", answer, version, err)
			}
		}
	}
}

func FuzzRewritten(f *testing.F) {
	for _, answer := range answers() {
		answer.SetVersion(answer.MaxVersion())
		body := []byte{}
		if answer.IsFlexible() {
			body = append(body, 0)
		}
		f.Add(answer.Key(), answer.MaxVersion(), answer.AppendTo(body))
	}
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		m := newLayer("orders->kafka")
		m.mapping = &mapping{advertise: "127.0.0.1", link: noListening{}, brokers: map[int32]*broker{1: {port: 19094}}}
		before := bytes.Clone(body)
		_, _ = m.rewritten(key, version, body)
		if !bytes.Equal(before, body) {
			t.Error("the answer itself was changed")
		}
		h := head{size: len(body), key: key, version: version}
		if len(body) >= headSize {
			h.unanswered(body)
			_, _ = refusal(h, body, 6)
		}
	})
}

// noListening is a link that cannot listen.
type noListening struct{ faults.ListeningLink }

func (noListening) Listen(faults.Inlet) (string, error) { return "", errors.New("no port is free") }

// A delayed answer that has arrived still comes before our own.
func TestOursWaitsForTheAnswerUnderWay(t *testing.T) {
	client, near := net.Pipe()
	_, target := net.Pipe()
	c := newConn(newLayer("l"), near, target, "")
	defer c.End(nil)
	defer client.Close()
	c.addExpected(&expected{head: head{correlation: 1}})
	c.addExpected(&expected{head: head{correlation: 2}, ours: []byte("ours")})
	first, by := c.matchAnswer(1)
	if first == nil || by != nil {
		t.Fatal("the first answer is not known")
	}
	if err := c.writeOurAnswers(); err != nil || len(c.queue) != 2 {
		t.Errorf("%d answers are to come, want both: %v", len(c.queue), err)
	}
	c.removeAnswer(first)
	go func() { _, _ = client.Read(make([]byte, 4)) }()
	if err := c.writeOurAnswers(); err != nil || len(c.queue) != 0 {
		t.Errorf("%d answers are to come, want none: %v", len(c.queue), err)
	}
}
