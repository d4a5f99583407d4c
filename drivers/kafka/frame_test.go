package kafka

import (
	"context"
	"encoding/binary"
	"net"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"wringer/drivers"
)

// requests returns Produce requests as sarama writes them, captured by a recording connection.
func requests(t testing.TB, config Config, n uint64) [][]byte {
	t.Helper()
	c := newCluster(t, 2)
	env := newEnv()
	frames := make(chan []byte, 1000)
	dial := env.Dial
	env.Dial = recording(dial, frames)
	d := openDriver(t, c, config, env)
	send(t, d, 0, n, testPatience, 5)
	var all [][]byte
	for len(frames) > 0 {
		all = append(all, <-frames)
	}
	return all
}

func TestReaderReadsWhatSaramaWrites(t *testing.T) {
	for _, config := range []Config{{}, {Version: "3.7.0"}, {Version: "0.11.0.0"}, {Compression: "gzip"}, {Compression: "snappy"}, {Compression: "lz4"}, {Compression: "zstd"}, {Headers: map[string]string{"a": ""}, Size: 1000}} {
		reader := newReader(newEnv().Identity)
		var seqs []uint64
		for _, frame := range requests(t, config, 300) {
			head, err := parseHead(frame)
			if err != nil {
				t.Fatal(err)
			}
			if head.key != produceKey {
				continue
			}
			all, acks, err := reader.read(head)
			if err != nil || acks != -1 {
				t.Fatalf("%+v: acks %d: %v", config, acks, err)
			}
			for _, c := range all {
				for _, r := range c.refs {
					if r.number != 1 {
						t.Fatalf("%+v", r)
					}
					seqs = append(seqs, r.seq)
				}
			}
		}
		slices.Sort(seqs)
		if len(seqs) != 300 || seqs[0] != 0 || seqs[299] != 299 {
			t.Errorf("%+v: read %d records", config, len(seqs))
		}
	}
}

// A response is recognised however it is cut into pieces.
func TestAssembler(t *testing.T) {
	var stream []byte
	for i := range 20 {
		body := make([]byte, i*i)
		stream = binary.BigEndian.AppendUint32(stream, uint32(4+len(body)))
		stream = binary.BigEndian.AppendUint32(stream, uint32(i))
		stream = append(stream, body...)
	}
	for size := 1; size < 40; size++ {
		var a assembler
		var got []int32
		for piece := range slices.Chunk(stream, size) {
			a.feed(piece, func(c int32) bool { return c%3 == 0 }, func(c int32, body []byte) {
				if len(body) != int(c*c) {
					t.Fatalf("%d has %d bytes", c, len(body))
				}
				got = append(got, c)
			})
		}
		if !slices.Equal(got, []int32{0, 3, 6, 9, 12, 15, 18}) {
			t.Fatalf("in pieces of %d: %v", size, got)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	const notLeader = 6
	for _, test := range []struct {
		name           string
		base, logStart int64
		code           int16
		refused        bool
	}{
		{"refused by Kafka", -1, -1, notLeader, true},
		{"refused by kfake", 0, -1, notLeader, true},
		{"deposed after the append", 42, 0, notLeader, false},
		{"deposed after the first append of all", 0, 0, notLeader, false},
		{"timed out", -1, -1, 7, false},
		{"appended", 42, 0, 0, false},
	} {
		for _, version := range []int16{3, 8, 9, 10} {
			if version < 5 && test.base == 0 {
				continue // this version has no field that tells
			}
			r := kmsg.ProduceResponse{Version: version}
			p := kmsg.NewProduceResponseTopicPartition()
			p.Partition, p.ErrorCode, p.BaseOffset, p.LogStartOffset = 3, test.code, test.base, test.logStart
			r.Topics = []kmsg.ProduceResponseTopic{{Topic: topic, Partitions: []kmsg.ProduceResponseTopicPartition{p}}}
			body := r.AppendTo(nil)
			if version >= flexibleProduce {
				body = append([]byte{0}, body...)
			}
			got, err := readAnswer(version, body)
			if err != nil || len(got) != 1 || got[0] != (partitionAnswer{3, test.code, test.refused, test.base}) {
				t.Errorf("%s, version %d: %+v, %v", test.name, version, got, err)
			}
		}
	}
}

// FuzzReader: for any bytes the reader returns at most an error.
func FuzzReader(f *testing.F) {
	for _, config := range []Config{{}, {Compression: "lz4"}, {Version: "3.7.0"}} {
		for _, frame := range requests(f, config, 3) {
			f.Add(frame)
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if len(frame) >= 4 {
			binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
		}
		head, err := parseHead(frame)
		if err != nil || head.key != produceKey {
			return
		}
		reader := newReader(drivers.Identity{Run: "r1", Stream: "s"})
		_, _, _ = reader.read(head)
	})
}

// FuzzAnswer: the same for answers, in pieces.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0}, int16(8), 3)
	f.Fuzz(func(t *testing.T, stream []byte, version int16, size int) {
		var a assembler
		for piece := range slices.Chunk(stream, max(1, size)) {
			a.feed(piece, func(int32) bool { return true }, func(_ int32, body []byte) { _, _ = readAnswer(version, body) })
		}
	})
}

// recording dials connections that record their writes.
func recording(dial drivers.DialFunc, frames chan<- []byte) drivers.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return recordedConn{conn, frames}, nil
	}
}

type recordedConn struct {
	net.Conn
	frames chan<- []byte
}

func (c recordedConn) Write(p []byte) (int, error) {
	c.frames <- slices.Clone(p)
	return c.Conn.Write(p)
}
