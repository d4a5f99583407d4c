package grpc

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// piece is something that a raw target sends.
type piece struct {
	name  string
	write func(x *rawCall)
	what  int // bits
}

// Properties of a piece that let the two paths report it differently.
const (
	opens     = 1 << iota // headers of gRPC's
	holds                 // bytes of messages
	lenient               // the library accepts it, and a strict client must not
	leaves                // a GOAWAY that includes the call
	leavesAll             // a GOAWAY that includes every call
)

// differing is why the library may report more about a script than the plain path, which reports indeterminate; "":
// it may not.
func differing(script []piece) (why string) {
	opened, left := false, false
	for _, p := range script {
		left = left || p.what&leaves > 0
		switch {
		case p.what&leavesAll > 0 && left:
			why = "a GOAWAY that takes more than before"
		case p.what&opens > 0:
			opened = true
		case p.what&holds > 0 && !opened:
			why = "a message before the headers: the library waits for them"
		case p.what&lenient > 0:
			why = p.name
		}
	}
	return why
}

// agree reports whether both paths report the same, or differ in an allowed way. The plain path ends a call at the
// first malformed frame, without an answer. In the library a later status may still count, depending on which
// goroutine is faster. No such call is more than indeterminate.
func agree(plain, library drivers.Attempt, why string) bool {
	switch {
	case plain.Hidden != library.Hidden:
		return false
	case why != "" && plain.Outcome == drivers.Indeterminate:
		return true
	case plain.Outcome != library.Outcome:
		return false
	}
	return plain.Answered == library.Answered || !plain.Answered && plain.Outcome == drivers.Indeterminate && plain.Code == drivers.CodeMalformed
}

// play generates scripts.
type play struct{ *rand.Rand }

func (r play) one(list ...piece) piece { return list[r.IntN(len(list))] }

// aside is a frame that does not concern the call; it may be malformed.
func (r play) aside() piece {
	const other = 99
	return r.one(
		piece{"ping", func(x *rawCall) { x.WritePing(false, [8]byte{1}) }, 0},
		piece{"ping's answer", func(x *rawCall) { x.WritePing(true, [8]byte{1}) }, 0},
		piece{"settings", func(x *rawCall) {
			x.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 70_000}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
		}, 0},
		piece{"settings acknowledged", func(x *rawCall) { x.WriteSettingsAck() }, 0},
		piece{"window", func(x *rawCall) { x.WriteWindowUpdate(0, 1000) }, 0},
		piece{"window of the stream", func(x *rawCall) { x.WriteWindowUpdate(x.stream, 1000) }, 0},
		piece{"priority", func(x *rawCall) { x.WritePriority(x.stream, http2.PriorityParam{StreamDep: 5}) }, 0},
		piece{"unknown frame", func(x *rawCall) { x.WriteRawFrame(0x77, 0xff, x.stream, []byte("what")) }, 0},
		piece{"message of no call", func(x *rawCall) { x.WriteData(other, false, []byte("what")) }, 0},
		piece{"headers of no call", func(x *rawCall) {
			o := *x
			o.stream = other
			o.begin()
		}, 0},
		piece{"reset of no call", func(x *rawCall) { x.WriteRSTStream(other, http2.ErrCodeRefusedStream) }, 0},
		piece{"GOAWAY that keeps all", func(x *rawCall) { x.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil) }, leavesAll},
		piece{"GOAWAY that keeps the call", func(x *rawCall) { x.WriteGoAway(x.stream, http2.ErrCodeEnhanceYourCalm, []byte("bye")) }, leaves},
	)
}

// headers begin an answer, sometimes wrongly.
func (r play) headers() piece {
	fields := func(name string, what int, pairs ...string) piece {
		return piece{name, func(x *rawCall) { x.headers(false, pairs...) }, what}
	}
	proper := []string{":status", "200", "content-type", "application/grpc"}
	if r.IntN(3) > 0 {
		return fields("headers", opens, proper...)
	}
	return r.one(
		fields("headers +proto", opens, ":status", "200", "content-type", "application/grpc+proto"),
		fields("headers ;charset", opens, ":status", "200", "content-type", "application/grpc;charset=x"),
		fields("headers of another type", opens, ":status", "200", "content-type", "application/grpcweb"),
		fields("headers without type", opens, ":status", "404"),
		fields("headers without status", opens, "content-type", "application/grpc"),
		fields("headers of a failure, and gRPC's", opens, ":status", "500", "content-type", "application/grpc"),
		fields("headers with metadata", opens, append(proper[:4:4], "x-bin", "AP8=", "x-bin", "AP8", "x", "y")...),
		fields("headers with bad metadata", opens, append(proper[:4:4], "x-bin", "A")...),
		fields("headers in several frames", opens, append(proper[:4:4], "x-much", strings.Repeat("ab", 9000))...),
		fields("headers with pseudo ones last", opens, "content-type", "application/grpc", ":status", "200"),
		fields("headers with a bad name", opens, append(proper[:4:4], "X-Y", "z")...),
		fields("compressed", opens, append(proper[:4:4], "grpc-encoding", "gzip")...),
		fields("compressed somehow", opens, append(proper[:4:4], "grpc-encoding", "snappy")...),
		fields("interim status that is none", 0, ":status", "1xx"),
	)
}

// chunks writes bytes of messages in one frame or several.
func (r play) chunks(name string, what int, b []byte) piece {
	cuts := []int{len(b)}
	for range r.IntN(4) {
		cuts = append(cuts, r.IntN(len(b)+1))
	}
	slices.Sort(cuts)
	padded := r.IntN(4) == 0
	return piece{name, func(x *rawCall) {
		for from, i := 0, 0; i < len(cuts); i++ {
			part := b[from:cuts[i]]
			if from = cuts[i]; padded {
				x.WriteDataPadded(x.stream, false, part, make([]byte, i*7))
			} else {
				x.WriteData(x.stream, false, part)
			}
		}
	}, what | holds}
}

func framed(flag byte, message []byte) []byte {
	return append([]byte{flag, 0, 0, byte(len(message) >> 8), byte(len(message))}, message...)
}

func (r play) message() piece {
	good := framed(0, goodReply)
	if r.IntN(3) > 0 {
		return r.chunks("message", 0, good)
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	w.Write(goodReply)
	w.Close()
	return r.one(
		r.chunks("empty message", 0, framed(0, nil)),
		r.chunks("message cut short", 0, good[:1+r.IntN(len(good)-1)]),
		r.chunks("two messages", 0, append(good[:len(good):len(good)], good...)),
		r.chunks("message and a bit", 0, append(good[:len(good):len(good)], good[:1+r.IntN(5)]...)),
		r.chunks("compressed message", 0, framed(1, zipped.Bytes())),
		r.chunks("message that does not decompress", 0, framed(1, goodReply)),
		r.chunks("message of an unknown kind", 0, framed(9, goodReply)),
		r.chunks("message that does not decode", 0, framed(0, []byte{0x08})),
		r.chunks("message that is too large", 0, []byte{0, 1, 0, 0, 0, 7, 7}),
	)
}

// end ends an answer, sometimes wrongly.
func (r play) end() piece {
	status := func(pairs ...string) piece {
		return piece{"trailers " + strings.Join(pairs, " "), func(x *rawCall) { x.headers(true, pairs...) }, 0}
	}
	if r.IntN(3) > 0 {
		return status("grpc-status", []string{"0", "0", "5", "13", "14", "16"}[r.IntN(6)])
	}
	reset := []http2.ErrCode{http2.ErrCodeNo, http2.ErrCodeCancel, http2.ErrCodeInternal, http2.ErrCodeEnhanceYourCalm, 77}[r.IntN(5)]
	return r.one(
		status("grpc-status", "fine"), status("grpc-status", "-1"), status("grpc-status", "+0"), status("grpc-status", "00"), status("grpc-status", ""),
		status("grpc-status", "0", "grpc-status", "5"), status("grpc-status", "5", "grpc-status", "0"), status("grpc-message", "none"),
		status("grpc-status", "5", "grpc-message", "100%25 %ff %"), status("grpc-status", "99999999999"),
		status("grpc-status", "5", "grpc-status-details-bin", "CAU"), status("grpc-status", "0", "grpc-status-details-bin", "CAU"),
		status("grpc-status", "5", "grpc-status-details-bin", "CAA"), status("grpc-status", "5", "grpc-status-details-bin", "!"),
		status("grpc-status", "5", "grpc-status-details-bin", "CA0", "grpc-status-details-bin", "CAU"), status("grpc-status", "5", "x-bin", "===="),
		status(":status", "200", "content-type", "application/grpc", "grpc-status", "5"), status(":status", "404", "grpc-status", "5"),
		status(":status", "200", "content-type", "application/grpc", "grpc-status", "0"), status(":status", "100"),
		piece{"end without status", func(x *rawCall) { x.WriteData(x.stream, true, nil) }, holds},
		piece{"reset " + reset.String(), func(x *rawCall) { x.WriteRSTStream(x.stream, reset) }, 0},
		piece{"closed", func(*rawCall) {}, 0},
	)
}

// breach is a frame that ends a connection, or should.
func (r play) breach() piece {
	return r.one(
		piece{"GOAWAY of a stream that is none", func(x *rawCall) { x.WriteGoAway(2, http2.ErrCodeNo, nil) }, lenient},
		piece{"GOAWAY that takes more than before", func(x *rawCall) {
			x.WriteGoAway(x.stream, http2.ErrCodeNo, nil)
			x.WriteGoAway(x.stream+2, http2.ErrCodeNo, nil)
		}, lenient},
		piece{"garbage", func(x *rawCall) { x.WriteRawFrame('g', 'a', 0x72626167, bytes.Repeat([]byte("garbage "), 3000)) }, 0},
		piece{"a header that is none", func(x *rawCall) {
			x.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, x.stream, []byte{0xff, 0xff, 0xff, 0xff})
		}, 0},
		piece{"continuation of nothing", func(x *rawCall) { x.WriteRawFrame(http2.FrameContinuation, 4, x.stream, nil) }, 0},
		piece{"message with too much padding", func(x *rawCall) { x.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, x.stream, []byte{9, 1}) }, 0},
		piece{"window of nothing", func(x *rawCall) { x.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, make([]byte, 4)) }, 0},
		piece{"stream's window of nothing", func(x *rawCall) { x.WriteRawFrame(http2.FrameWindowUpdate, 0, x.stream, make([]byte, 4)) }, 0},
		piece{"short ping", func(x *rawCall) { x.WriteRawFrame(http2.FramePing, 0, 0, []byte("short")) }, 0},
		piece{"push", func(x *rawCall) {
			x.WritePushPromise(http2.PushPromiseParam{StreamID: x.stream, PromiseID: 2, EndHeaders: true})
		}, lenient},
		piece{"window larger than any", func(x *rawCall) { x.WriteWindowUpdate(0, 1<<31-1) }, lenient},
		piece{"stream's window larger than any", func(x *rawCall) { x.WriteWindowUpdate(x.stream, 1<<31-1) }, lenient},
		piece{"setting out of range", func(x *rawCall) { x.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1}) }, lenient},
		piece{"skipped headers of no call", func(x *rawCall) { x.WriteRawFrame(http2.FrameHeaders, 4|8, 99, []byte{9, 1}) }, lenient},
	)
}

// answer is an answer that is often faulty. It never says that the target did not process the call. The library's
// reaction to that after a partial answer depends on which goroutine is faster.
func (r play) answer() (script []piece) {
	if r.IntN(6) == 0 {
		script = append(script, piece{"interim headers", func(x *rawCall) { x.headers(false, ":status", "103") }, 0})
	}
	script = append(script, r.headers(), r.message(), r.end())
	for range r.IntN(3) {
		script = slices.Insert(script, r.IntN(len(script)+1), r.aside())
	}
	if r.IntN(6) == 0 {
		script = slices.Insert(script, r.IntN(len(script)+1), r.breach())
	}
	switch i := r.IntN(len(script)); r.IntN(8) {
	case 0:
		script = slices.Delete(script, i, i+1)
	case 1:
		script = slices.Insert(script, r.IntN(len(script)+1), script[i])
	case 2:
		j := r.IntN(len(script))
		script[i], script[j] = script[j], script[i]
	}
	return script
}

// refusal says that the target did not process the call. No frame after it breaks the connection: whether the next
// transmission still used that connection would be chance.
func (r play) refusal() (script []piece) {
	if r.IntN(4) == 0 {
		script = append(script, piece{"interim headers", func(x *rawCall) { x.headers(false, ":status", "100") }, 0})
	}
	return append(script, r.one(
		piece{"refused", func(x *rawCall) { x.WriteRSTStream(x.stream, http2.ErrCodeRefusedStream) }, 0},
		piece{"GOAWAY before the call", func(x *rawCall) { x.WriteGoAway(x.stream-min(x.stream, 2), http2.ErrCodeNo, nil) }, 0},
	))
}

// act is the target's reaction to one transmission.
type act struct {
	pieces []piece
	cut    float64 // the share that is sent
	close  bool
}

func (a act) String() string {
	var names []string
	for _, p := range a.pieces {
		names = append(names, p.name)
	}
	return fmt.Sprintf("%s, %.0f%%", strings.Join(names, "; "), 100*a.cut)
}

func (a act) play(x *rawCall) {
	var b bytes.Buffer
	into := *x
	into.Framer = http2.NewFramer(&b, nil)
	into.AllowIllegalWrites = true
	for _, p := range a.pieces {
		p.write(&into)
	}
	x.conn.Write(b.Bytes()[:int(a.cut*float64(b.Len()))])
	if a.close {
		x.conn.HalfClose() // and go on reading: closing with unread bytes would reset the connection
	}
}

func (r play) act() act {
	a := act{r.answer(), 1, true}
	if r.IntN(5) == 0 {
		a.cut = r.Float64()
	}
	return a
}

// acts are the target's reactions to the transmissions of a call.
func (r play) acts() (acts []act) {
	for len(acts) < 2 && r.IntN(4) == 0 {
		acts = append(acts, act{pieces: r.refusal(), cut: 1})
	}
	return append(acts, r.act())
}

// Both paths report the same for anything that a target sends: the outcome, whether there was an answer, and the
// number of transmissions.
func TestPathsAgree(t *testing.T) {
	t.Parallel()
	const seed, cases = 1, 500
	var acts []act
	var sent atomic.Int32
	raw := startRaw(t, func(x *rawCall) { acts[min(int(sent.Add(1)), len(acts))-1].play(x) })
	defer raw.Close()
	env := drivertest.NewEnv(t, time.Now())
	env.Files = "testdata"
	c := &Config{Target: raw.Address(), Method: "test.v1.Inventory/Reserve", Protos: []string{"shop.proto"}}
	opened, err := c.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	compiled := opened.(*driver)
	try := func(open func(d *driver) error) (at drivers.Attempt) {
		sent.Store(0)
		d := &driver{env: env, method: compiled.method, inputs: compiled.inputs, output: compiled.output, dialling: compiled.dialling}
		if err := open(d); err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		s, err := d.Session()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		s.Do(ctx, &drivers.Op{}, &at)
		if made := int(sent.Load()); !at.Wire || at.Hidden != made-1 || at.Transparent != made-1 {
			t.Errorf("%d transmissions arrived, wire %v, hidden %d, transparent %d", made, at.Wire, at.Hidden, at.Transparent)
		}
		return at
	}
	reported := make(map[drivers.Outcome]int)
	for n := range cases {
		acts = play{rand.New(rand.NewPCG(seed, uint64(n)))}.acts()
		plain := try(func(d *driver) error { return d.openPlain(c) })
		library := try(func(d *driver) error { return d.openLibrary(c) })
		reported[plain.Outcome]++
		if why := differing(acts[len(acts)-1].pieces); !agree(plain, library, why) {
			t.Errorf("case %d: %v\nplain   %v %q answered %v hidden %d (%s)\nlibrary %v %q answered %v hidden %d (%s)", n, acts,
				plain.Outcome, plain.Code, plain.Answered, plain.Hidden, plain.Detail, library.Outcome, library.Code, library.Answered, library.Hidden, library.Detail)
		}
	}
	for _, outcome := range []drivers.Outcome{drivers.Acked, drivers.Rejected, drivers.Indeterminate} {
		if reported[outcome] < cases/20 {
			t.Errorf("%d of %d %v: the scripts are lopsided", reported[outcome], cases, outcome)
		}
	}
}
