package kafkalink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The places in a batch of version 2.
const (
	batchLength     = 8
	batchMagic      = 16
	batchCRC        = 17
	batchAttributes = 21
	batchLastDelta  = 23
	batchProducerID = 43
	batchCount      = 57
	batchRecords    = 61

	attributeCodec   = 0x07
	attributeControl = 0x20
	magicOfVersion2  = 2
)

// maxUnpacked bounds the records of one batch. A larger batch passes unread.
const maxUnpacked = 64 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is a whole batch of version 2, its bytes as they are on the wire.
type batch []byte

// nextBatch cuts the first batch off. ok is false if it is not whole, as the last one of an answer may be.
func nextBatch(b []byte) (first batch, rest []byte, ok bool) {
	if len(b) < batchLength+4 {
		return nil, b, false
	}
	size := int64(batchLength+4) + int64(int32(binary.BigEndian.Uint32(b[batchLength:])))
	if size < batchMagic+1 || size > int64(len(b)) {
		return nil, b, false
	}
	return batch(b[:size]), b[size:], true
}

// data says whether the batch holds records of a producer, in version 2: no message set of old, no transaction marker.
func (b batch) data() bool {
	return len(b) >= batchRecords && b[batchMagic] == magicOfVersion2 && b.attributes()&attributeControl == 0
}

func (b batch) attributes() uint16 { return binary.BigEndian.Uint16(b[batchAttributes:]) }
func (b batch) codec() kgo.CompressionCodecType {
	return kgo.CompressionCodecType(b.attributes() & attributeCodec)
}
func (b batch) first() int64      { return int64(binary.BigEndian.Uint64(b)) }
func (b batch) count() int32      { return int32(binary.BigEndian.Uint32(b[batchCount:])) }
func (b batch) producerID() int64 { return int64(binary.BigEndian.Uint64(b[batchProducerID:])) }
func (b batch) last() int64 {
	return b.first() + int64(int32(binary.BigEndian.Uint32(b[batchLastDelta:])))
}

// rebuilt is the batch with other records, packed as before, and with the CRC of what it holds.
func (b batch) rebuilt(records []byte) (batch, error) {
	packed, codec, err := pack(records, b.codec())
	if err != nil {
		return nil, err
	}
	out := append(append(make(batch, 0, batchRecords+len(packed)), b[:batchRecords]...), packed...)
	binary.BigEndian.PutUint16(out[batchAttributes:], b.attributes()&^attributeCodec|uint16(codec))
	binary.BigEndian.PutUint32(out[batchLength:], uint32(len(out)-batchLength-4))
	binary.BigEndian.PutUint32(out[batchCRC:], crc32.Checksum(out[batchAttributes:], castagnoli))
	return out, nil
}

// altered is the batch with the values that alter changes. alter gets the offset and value of each record; nil is a null
// value. changed is false, and the batch the same, if alter changed none.
func (b batch) altered(alter func(offset int64, value []byte) ([]byte, bool)) (out batch, changed bool, err error) {
	records, err := unpack(b[batchRecords:], b.codec())
	if err != nil {
		return b, false, err
	}
	rebuilt := make([]byte, 0, len(records))
	left := records
	for range b.count() {
		var one record
		if one, left, err = nextRecord(left); err != nil {
			return b, false, err
		}
		if value, ok := alter(b.first()+int64(one.delta), one.value); ok {
			rebuilt = one.append(rebuilt, value)
			changed = true
		} else {
			rebuilt = append(rebuilt, one.whole...)
		}
	}
	if len(left) > 0 {
		return b, false, errUnread
	}
	if !changed {
		return b, false, nil
	}
	if out, err = b.rebuilt(rebuilt); err != nil {
		return b, false, err
	}
	return out, true, nil
}

// record is a record, in pieces of its bytes on the wire.
type record struct {
	whole           []byte
	before, headers []byte // what precedes the value's length, without the record's own; what follows the value
	value           []byte // nil: null
	delta           int32  // of the offset
}

func nextRecord(b []byte) (r record, rest []byte, err error) {
	all := kbin.Reader{Src: b}
	size := all.Varint()
	if !all.Ok() || size < 0 || int(size) > len(all.Src) {
		return r, b, errUnread
	}
	body, rest := all.Src[:size], all.Src[size:]
	r.whole = b[:len(b)-len(rest)]
	in := kbin.Reader{Src: body}
	in.Int8() // attributes
	in.Varlong()
	r.delta = in.Varint()
	in.VarintBytes() // the key
	r.before = body[:len(body)-len(in.Src)]
	r.value = in.VarintBytes()
	r.headers = in.Src
	if !in.Ok() {
		return r, b, errUnread
	}
	return r, rest, nil
}

// append appends the record with another value.
func (r *record) append(out, value []byte) []byte {
	body := append([]byte(nil), r.before...)
	body = kbin.AppendVarintBytes(body, value)
	body = append(body, r.headers...)
	return append(kbin.AppendVarint(out, int32(len(body))), body...)
}

var errTooLarge = errors.New("more than is unpacked")

// unpack decompresses, at most maxUnpacked bytes.
func unpack(b []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	var r io.Reader
	switch codec {
	case kgo.CodecNone:
		return b, nil
	case kgo.CodecSnappy: // expands little: at most 21 times
		return kgo.DefaultDecompressor().Decompress(b, codec)
	case kgo.CodecLz4:
		r = lz4.NewReader(bytes.NewReader(b))
	case kgo.CodecGzip:
		unzip, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		r = unzip
	case kgo.CodecZstd:
		unzip, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxUnpacked))
		if err != nil {
			return nil, err
		}
		defer unzip.Close()
		r = unzip
	default:
		return nil, fmt.Errorf("compression %d: %w", codec, errUnread)
	}
	out, err := io.ReadAll(io.LimitReader(r, maxUnpacked+1))
	if err == nil && len(out) > maxUnpacked {
		err = errTooLarge
	}
	return out, err
}

var codecs = map[kgo.CompressionCodecType]kgo.CompressionCodec{
	kgo.CodecGzip: kgo.GzipCompression(), kgo.CodecSnappy: kgo.SnappyCompression(), kgo.CodecLz4: kgo.Lz4Compression(), kgo.CodecZstd: kgo.ZstdCompression(),
}

// pack compresses.
func pack(b []byte, codec kgo.CompressionCodecType) ([]byte, kgo.CompressionCodecType, error) {
	if codec == kgo.CodecNone {
		return b, codec, nil
	}
	c, err := kgo.DefaultCompressor(codecs[codec])
	if err != nil {
		return nil, codec, err
	}
	out, used := c.Compress(new(bytes.Buffer), b)
	if used == kgo.CodecError {
		return nil, codec, errUnread
	}
	return out, used, nil
}
