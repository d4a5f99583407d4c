package witness

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func sleepShortly() { time.Sleep(time.Millisecond) }

// kafkaAsk is a request frame; kafkaTell the frame of its answer.
func kafkaAsk(id int32, r kmsg.Request) string {
	f := kmsg.NewRequestFormatter(kmsg.FormatterClientID("test"))
	return ">" + string(f.AppendRequest(nil, r, id))
}

func kafkaTell(id int32, r kmsg.Response) string {
	body := kbin.AppendInt32(nil, id)
	if r.IsFlexible() && r.Key() != int16(kmsg.ApiVersions) {
		body = append(body, 0)
	}
	body = r.AppendTo(body)
	return "<" + string(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
}

func produce(version, acks int16, code int16) (*kmsg.ProduceRequest, *kmsg.ProduceResponse) {
	ask, tell := kmsg.NewPtrProduceRequest(), kmsg.NewPtrProduceResponse()
	ask.Version, tell.Version, ask.Acks = version, version, acks
	topic := kmsg.NewProduceResponseTopic()
	topic.Topic = "t"
	for _, c := range []int16{0, code} {
		p := kmsg.NewProduceResponseTopicPartition()
		p.ErrorCode = c
		topic.Partitions = append(topic.Partitions, p)
	}
	tell.Topics = append(tell.Topics, topic)
	return ask, tell
}

func fetch(records string) (*kmsg.FetchRequest, *kmsg.FetchResponse) {
	ask, tell := kmsg.NewPtrFetchRequest(), kmsg.NewPtrFetchResponse()
	ask.Version, tell.Version = 11, 11
	topic, p := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
	topic.Topic, p.RecordBatches = "t", []byte(records)
	topic.Partitions = append(topic.Partitions, p)
	tell.Topics = append(tell.Topics, topic)
	return ask, tell
}

// method is a method frame of AMQP 0-9-1.
func method(channel, class, number uint16, args ...byte) string {
	body := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, class), number)
	return amqpFrameOf(1, channel, append(body, args...))
}

func amqpFrameOf(kind byte, channel uint16, body []byte) string {
	out := binary.BigEndian.AppendUint16([]byte{kind}, channel)
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
	return string(append(append(out, body...), 0xCE))
}

func tag(n uint64, bits byte) []byte { return append(binary.BigEndian.AppendUint64(nil, n), bits) }

func short(texts ...string) (b []byte) {
	for _, t := range texts {
		b = append(append(b, byte(len(t))), t...)
	}
	return b
}

// content is the frames of a message: its header with properties, and its body in two parts.
func content(body string, properties ...byte) string {
	head := binary.BigEndian.AppendUint64([]byte{0, 60, 0, 0}, uint64(len(body)))
	if len(properties) == 0 {
		properties = []byte{0, 0}
	}
	out := amqpFrameOf(2, 1, append(head, properties...))
	for _, part := range []string{body[:len(body)/2], body[len(body)/2:]} {
		if part != "" {
			out += amqpFrameOf(3, 1, []byte(part))
		}
	}
	return out
}

// publishing is a publish with its message, delivering a delivery to the consumer mine.
func publishing(body string, properties ...byte) string {
	return ">" + method(1, 60, 40, append([]byte{0, 0}, append(short("", "q"), 0)...)...) + content(body, properties...)
}

func delivering(n uint64, body string, properties ...byte) string {
	return "<" + method(1, 60, 60, append(short("mine"), append(tag(n, 0), short("", "q")...)...)...) + content(body, properties...)
}

// withHeaders are properties with a content type, a table of headers (a number, and texts by name), and a message-id.
func withHeaders(messageID string, texts ...string) []byte {
	table := append(short("n"), 'l', 0, 0, 0, 0, 0, 0, 0, 7)
	for i := 0; i < len(texts); i += 2 {
		table = append(append(table, short(texts[i])...), 'S')
		table = append(binary.BigEndian.AppendUint32(table, uint32(len(texts[i+1]))), texts[i+1]...)
	}
	out := append([]byte{0xB0, 0x80}, short("application/json")...) // content-type, headers, delivery-mode; message-id
	out = append(binary.BigEndian.AppendUint32(out, uint32(len(table))), table...)
	return append(append(out, 2), short(messageID)...)
}

// batch is a Produce request with records of one topic: values, each with a header x-id. codec compresses them.
func batch(codec kgo.CompressionCodec, values ...string) *kmsg.ProduceRequest {
	ask, _ := produce(9, 1, 0)
	var records []byte
	for i, value := range values {
		r := kmsg.Record{OffsetDelta: int32(i), Value: []byte(value), Headers: []kmsg.Header{{Key: "x-id", Value: []byte(value)}}}
		body := r.AppendTo(nil)[1:] // behind its length of 0
		records = append(kbin.AppendVarint(records, int32(len(body))), body...)
	}
	compressor, err := kgo.DefaultCompressor(codec)
	if err != nil {
		panic(err)
	}
	attributes := int16(0)
	if compressor != nil {
		var kind kgo.CompressionCodecType
		records, kind = compressor.Compress(new(bytes.Buffer), records)
		attributes = int16(kind)
	}
	b := kmsg.RecordBatch{Magic: 2, Attributes: attributes, LastOffsetDelta: int32(len(values) - 1), NumRecords: int32(len(values)), Records: records, Length: int32(49 + len(records))}
	topic, part := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	topic.Topic, part.Records = "t", b.AppendTo(nil)
	topic.Partitions = append(topic.Partitions, part)
	ask.Topics = append(ask.Topics, topic)
	return ask
}

// identityConversations are those of brokers whose messages carry identities.
func identityConversations() []played {
	_, told := produce(9, 1, 0)
	traced := withHeaders("", "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	start := ">" + amqpHeader
	return []played{
		{name: "AMQP header", place: "header x-id", said: []string{start,
			publishing("a", withHeaders("m", "x-id", "o-1")...), publishing("a"), delivering(1, "", withHeaders("m", "x-id", "o-1")...), ">" + method(1, 60, 80, tag(1, 0)...),
		}, want: []string{"publish id o-1", "publish", "deliver id o-1 ack"}},
		{name: "AMQP message-id", place: "message_id", said: []string{start, publishing("a", withHeaders("m-1", "x-id", "o-1")...)}, want: []string{"publish id m-1"}},
		{name: "AMQP body", place: "$.order.id", said: []string{start, publishing(orderBody, withHeaders("m")...), publishing("{"), publishing("")},
			want: []string{"publish id o-7", "publish", "publish"}},
		{name: "AMQP trace", said: []string{start, publishing("a", traced...)}, want: []string{"publish trace 0af7"}},
		{name: "AMQP, refused before its message has come", place: "header x-id", said: []string{start, ">" + method(1, 85, 10, 0), "<" + method(1, 85, 11),
			">" + method(1, 60, 40, append([]byte{0, 0}, append(short("", "q"), 0)...)...),
			"<" + method(1, 20, 40, append([]byte{1, 148}, append(short("NOT_FOUND"), 0, 60, 0, 40)...)...), ">" + content("late")[:30],
		}, want: []string{"confirm.select ok", "publish cut amqp_404"}},
		{name: "AMQP, a message that is longer than its header says", said: []string{start, publishing("a")[:len(publishing("a"))-9] + amqpFrameOf(3, 1, []byte("ab"))},
			want: []string{"publish cut"}, blind: "a frame that is not AMQP"},
		{name: "Kafka header", place: "header x-id", said: []string{kafkaAsk(1, batch(kgo.NoCompression(), "k-1")), kafkaTell(1, told)}, want: []string{"Produce id k-1 ok"}},
		{name: "Kafka values", place: "$.id", said: []string{kafkaAsk(1, batch(kgo.GzipCompression(), `{"id":"k-1"}`, `{"id":"k-2"}`, `{"id":3}`)), kafkaTell(1, told)},
			want: []string{"Produce id k-1 id k-2 id 3 ok"}},
		{name: "Kafka, some without", place: "$.id", said: []string{kafkaAsk(1, batch(kgo.ZstdCompression(), `{"id":"k-1"}`, `{}`)), kafkaTell(1, told)}, want: []string{"Produce id k-1 partly ok"}},
		{name: "Kafka, no batch", place: "$.id", said: []string{kafkaAsk(1, batch(kgo.NoCompression()))}, want: []string{"Produce partly"}},
	}
}

func brokerConversations() []played {
	old, oldTold := produce(7, -1, 6)
	newer, newerTold := produce(9, 1, 0)
	silent, _ := produce(7, 0, 0)
	some, someTold := fetch("batch")
	none, noneTold := fetch("")
	publish := publishing("body")
	deliver := func(consumer string, n uint64) string {
		return "<" + method(1, 60, 60, append(short(consumer), append(tag(n, 0), short("", "q")...)...)...) + content("body")
	}
	consume := func(consumer string, bits byte) string {
		return ">" + method(1, 60, 20, append([]byte{0, 0}, append(short("q", consumer), bits, 0, 0, 0, 0)...)...)
	}
	return []played{
		{name: "Kafka", said: []string{
			kafkaAsk(1, old), kafkaAsk(2, newer), kafkaAsk(3, silent), kafkaAsk(4, some), kafkaAsk(5, none),
			kafkaTell(1, oldTold), kafkaTell(2, newerTold), kafkaTell(4, someTold), kafkaTell(5, noneTold), kafkaAsk(6, some),
		}, want: []string{"Produce NOT_LEADER_FOR_PARTITION", "Produce ok", "Produce", "Fetch ok", "Fetch ok, no records", "Fetch"}},
		{name: "Kafka, an answer to nothing", said: []string{kafkaAsk(1, old), kafkaTell(2, oldTold)}, want: []string{"Produce"}, blind: "an answer to no request"},
		{name: "no Kafka", said: []string{">\x00\x00\x00\x10\x7f\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"}, blind: "a frame that is not Kafka's"},
		{name: "AMQP confirms", said: []string{
			">" + amqpHeader, "<" + method(0, 10, 10), ">" + method(1, 20, 10, 0), "<" + method(1, 20, 11, 0, 0, 0, 0),
			publish, // without confirms: no answer comes
			">" + method(1, 85, 10, 0), "<" + method(1, 85, 11),
			publish, publish, publish, "<" + method(1, 60, 80, tag(2, 1)...), "<" + method(1, 60, 120, tag(3, 0)...), publish,
			"<" + method(1, 20, 40, append([]byte{1, 148}, append(short("NOT_FOUND"), 0, 60, 0, 40)...)...), ">" + method(1, 20, 41),
		}, want: []string{"channel.open ok", "publish", "confirm.select ok", "publish confirmed", "publish confirmed", "publish nack", "publish amqp_404"}},
		{name: "AMQP deliveries", said: []string{
			">" + amqpHeader, consume("mine", 0), "<" + method(1, 60, 21, short("mine")...), consume("free", 2), "<" + method(1, 60, 21, short("free")...),
			deliver("mine", 1), deliver("mine", 2), deliver("mine", 3), deliver("free", 4), ">" + method(1, 60, 80, tag(2, 1)...), ">" + method(1, 60, 90, tag(3, 1)...),
			deliver("mine", 5), ">" + method(1, 60, 70, append([]byte{0, 0}, append(short("q"), 1)...)...), "<" + method(1, 60, 72, 0),
		}, want: []string{"basic.consume ok", "basic.consume ok", "deliver ack", "deliver ack", "deliver nack", "deliver", "deliver", "basic.get ok, no message"}},
		{name: "AMQP deliveries to a consumer that the broker named", said: []string{
			">" + amqpHeader, consume("", 2), consume("", 0), "<" + method(1, 60, 21, short("amq.ctag-1")...), "<" + method(1, 60, 21, short("amq.ctag-2")...),
			deliver("amq.ctag-1", 1), deliver("amq.ctag-2", 2), deliver("amq.ctag-1", 3), ">" + method(1, 60, 80, tag(2, 0)...),
		}, want: []string{"basic.consume ok", "basic.consume ok", "deliver", "deliver", "deliver ack"}},
		{name: "no AMQP", said: []string{">" + amqpHeader + "\x09\x00\x00\x00\x00\x00\x00"}, blind: "a frame that is not AMQP"},
	}
}
