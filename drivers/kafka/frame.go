package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers"
)

// errFrame marks bytes that are no valid Produce request.
var errFrame = errors.New("not a Kafka request")

const (
	produceKey = 0
	// flexibleProduce is the first version of Produce whose headers end with tagged fields (KIP-482).
	flexibleProduce = 9
	// batchOverhead is the size of a record batch before its records, without the first offset and the length.
	batchOverhead = 49
)

// requestHead is the header of a Kafka request.
type requestHead struct {
	key, version int16
	correlation  int32
	body         []byte // after the header
}

// parseHead reads the header of a whole request: length, key, version, correlation id, client id and, in flexible versions
// of Produce, tagged fields. It finds the body of Produce requests only.
func parseHead(frame []byte) (h requestHead, err error) {
	if len(frame) < 14 || int64(binary.BigEndian.Uint32(frame)) != int64(len(frame)-4) {
		return h, errFrame
	}
	h.key = int16(binary.BigEndian.Uint16(frame[4:]))
	h.version = int16(binary.BigEndian.Uint16(frame[6:]))
	h.correlation = int32(binary.BigEndian.Uint32(frame[8:]))
	if h.key != produceKey {
		return h, nil
	}
	client := int(int16(binary.BigEndian.Uint16(frame[12:])))
	rest := frame[14:]
	if client > len(rest) {
		return h, errFrame
	}
	if client > 0 {
		rest = rest[client:]
	}
	if h.version >= flexibleProduce {
		if rest, err = skipTags(rest); err != nil {
			return h, err
		}
	}
	h.body = rest
	return h, nil
}

// skipTags skips a section of tagged fields.
func skipTags(b []byte) ([]byte, error) {
	count, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, errFrame
	}
	b = b[n:]
	for ; count > 0; count-- {
		_, n := binary.Uvarint(b)
		if n <= 0 {
			return nil, errFrame
		}
		size, m := binary.Uvarint(b[n:])
		if m <= 0 || size > uint64(len(b)-n-m) {
			return nil, errFrame
		}
		b = b[n+m+int(size):]
	}
	return b, nil
}

// ref names one attempt: the operation's number and the attempt's.
type ref struct {
	seq    uint64
	number int
}

// partitionRefs names the records that a request holds for one partition.
type partitionRefs struct {
	partition int32
	refs      []ref
}

// reader reads Produce requests. It reuses its memory: a result is valid until the next call. Not safe for concurrent use.
type reader struct {
	identity   drivers.Identity
	decoder    kgo.Decompressor
	request    kmsg.ProduceRequest
	partitions []partitionRefs
}

func newReader(identity drivers.Identity) *reader {
	return &reader{identity: identity, decoder: kgo.DefaultDecompressor()}
}

// read returns the records of a Produce request, by partition and in order. After an error the records are not known.
func (r *reader) read(h requestHead) (all []partitionRefs, acks int16, err error) {
	r.request.Version = h.version
	if err := r.request.UnsafeReadFrom(h.body); err != nil {
		return nil, 0, fmt.Errorf("produce request: %w", err)
	}
	all = r.partitions[:0]
	for _, topic := range r.request.Topics {
		for _, p := range topic.Partitions {
			if len(all) < cap(all) {
				all = all[:len(all)+1]
			} else {
				all = append(all, partitionRefs{})
			}
			c := &all[len(all)-1]
			c.partition = p.Partition
			if c.refs, err = r.batch(c.refs[:0], p.Records); err != nil {
				return nil, 0, fmt.Errorf("produce request, partition %d: %w", p.Partition, err)
			}
		}
	}
	r.partitions = all
	return all, r.request.Acks, nil
}

// batch reads the record batches of one partition.
func (r *reader) batch(refs []ref, b []byte) ([]ref, error) {
	for len(b) > 0 {
		if len(b) < 61 || b[16] != 2 {
			return refs, errFrame
		}
		size := int64(binary.BigEndian.Uint32(b[8:])) + 12
		if size < batchOverhead+12 || size > int64(len(b)) {
			return refs, errFrame
		}
		count := int(int32(binary.BigEndian.Uint32(b[57:])))
		codec := kgo.CompressionCodecType(b[22] & 7)
		records := b[61:size]
		if codec != kgo.CodecNone {
			var err error
			if records, err = r.decoder.Decompress(records, codec); err != nil {
				return refs, err
			}
		}
		var err error
		if refs, err = r.records(refs, records, count); err != nil {
			return refs, err
		}
		b = b[size:]
	}
	return refs, nil
}

// records reads count records in a row.
func (r *reader) records(refs []ref, b []byte, count int) ([]ref, error) {
	for ; count > 0; count-- {
		size, n := binary.Varint(b)
		if n <= 0 || size < 1 || size > int64(len(b)-n) {
			return refs, errFrame
		}
		one, ok, err := r.record(b[n : n+int(size)])
		if err != nil {
			return refs, err
		}
		if ok {
			refs = append(refs, one)
		}
		b = b[n+int(size):]
	}
	if len(b) > 0 {
		return refs, errFrame
	}
	return refs, nil
}

// record reads the headers of one record. ok says whether the record carries an identity of this run and stream.
func (r *reader) record(b []byte) (one ref, ok bool, err error) {
	b = b[1:] // attributes
	for range 2 {
		_, n := binary.Varint(b) // timestamp and offset, as deltas
		if n <= 0 {
			return one, false, errFrame
		}
		b = b[n:]
	}
	for range 2 {
		if _, b, err = cutBytes(b); err != nil { // key and value
			return one, false, err
		}
	}
	count, n := binary.Varint(b)
	if n <= 0 {
		return one, false, errFrame
	}
	b = b[n:]
	one.number = 1
	for ; count > 0; count-- {
		var name, value []byte
		if name, b, err = cutBytes(b); err != nil {
			return one, false, err
		}
		if value, b, err = cutBytes(b); err != nil {
			return one, false, err
		}
		switch string(name) {
		case HeaderID:
			var whose drivers.Belonging
			one.seq, whose = r.identity.Parse(value)
			ok = whose == drivers.Ours
		case HeaderAttempt:
			if one.number, err = strconv.Atoi(string(value)); err != nil {
				return one, false, errFrame
			}
		}
	}
	return one, ok, nil
}

// cutBytes cuts a field off that its length precedes. A negative length means null.
func cutBytes(b []byte) (field, rest []byte, err error) {
	size, n := binary.Varint(b)
	if n <= 0 || size > int64(len(b)-n) {
		return nil, nil, errFrame
	}
	if size < 0 {
		return nil, b[n:], nil
	}
	return b[n : n+int(size)], b[n+int(size):], nil
}

// partitionAnswer is the broker's answer about one partition of a Produce request.
type partitionAnswer struct {
	partition int32
	code      int16
	refused   bool  // the broker surely did not append the records
	offset    int64 // of the first record; negative if the broker named none
}

// acks says whether the broker acknowledged the records. DUPLICATE_SEQUENCE_NUMBER acknowledges records that the broker
// already has, and names no offset.
func (a partitionAnswer) acks() bool {
	return a.code == 0 || a.code == kerr.DuplicateSequenceNumber.Code
}

// readAnswer reads the body of a Produce response, after its correlation id.
func readAnswer(version int16, body []byte) ([]partitionAnswer, error) {
	if version >= flexibleProduce {
		var err error
		if body, err = skipTags(body); err != nil {
			return nil, err
		}
	}
	response := kmsg.ProduceResponse{Version: version}
	if err := response.UnsafeReadFrom(body); err != nil {
		return nil, fmt.Errorf("produce response: %w", err)
	}
	var all []partitionAnswer
	for _, topic := range response.Topics {
		for _, p := range topic.Partitions {
			// An error that names an offset came after the append. A leader deposed while it waited for its followers answers
			// NOT_LEADER_OR_FOLLOWER, as a broker that never led does. It gives the offset of the append (Kafka's
			// DelayedProduce). Before the append both fields are -1; kfake leaves the offset 0.
			placed := p.BaseOffset > 0 || p.BaseOffset == 0 && p.LogStartOffset >= 0
			all = append(all, partitionAnswer{partition: p.Partition, code: p.ErrorCode, refused: refusals[p.ErrorCode] && !placed, offset: p.BaseOffset})
		}
	}
	return all, nil
}
