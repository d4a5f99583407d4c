package grpc

import (
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers/drivertest"
)

// The faults of the streaming methods. Each concerns message 2 of a call.
const (
	drops    drivertest.Behaviour = "leaves a message out"
	repeats  drivertest.Behaviour = "sends a message three times"
	swaps    drivertest.Behaviour = "sends two messages in the wrong order"
	confuses drivertest.Behaviour = "sends a message of another call"
	surplus  drivertest.Behaviour = "sends a message too many"
	early    drivertest.Behaviour = "says OK before all was sent"
	breaks   drivertest.Behaviour = "ends with an error in the middle"
	stalls   drivertest.Behaviour = "sends no more, and does not end"
	spoils   drivertest.Behaviour = "sends a message that does not decode"
	bloats   drivertest.Behaviour = "sends a message beyond the limit"
	resets   drivertest.Behaviour = "resets the connection in the middle"
	closes   drivertest.Behaviour = "closes the connection in the middle"
)

// note is an answer that echoes a message, by number and by text.
type note struct {
	number int64
	text   string
}

func (n note) bytes() []byte {
	b := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), n.text)
	return protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), protowire.EncodeZigZag(n.number))
}

func (g *target) behaviour() drivertest.Behaviour { return g.mode.Load().(drivertest.Behaviour) }

// begun records a call's first message.
func (g *target) begun(stream grpc.ServerStream) (over bool, err error) {
	g.received.Add(1)
	return g.over(stream)
}

// read returns the next message of a call.
func (g *target) read(stream grpc.ServerStream) (note, error) {
	in := dynamicpb.NewMessage(g.service.Methods().ByName("Reserve").Input())
	if err := stream.RecvMsg(in); err != nil {
		return note{}, err
	}
	field := func(name string) interface {
		Int() int64
		String() string
	} {
		return in.Get(in.Descriptor().Fields().ByTextName(name))
	}
	return note{field("quantity").Int(), field("order_id").String()}, nil
}

// watch answers with as many messages as the request's quantity says, numbered from 0.
func (g *target) watch(_ any, stream grpc.ServerStream) error {
	in, err := g.read(stream)
	if err != nil {
		return err
	}
	if over, err := g.begun(stream); over {
		return err
	}
	for n := range in.number {
		if err := g.emit(stream, note{n, in.text}); err != nil {
			return g.end(err)
		}
	}
	if g.behaviour() == surplus {
		return stream.SendMsg(note{in.number, in.text}.bytes())
	}
	return nil
}

// talk echoes each message.
func (g *target) talk(_ any, stream grpc.ServerStream) error {
	for {
		in, err := g.read(stream)
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if in.number == 0 {
			if over, err := g.begun(stream); over {
				return err
			}
		}
		if err := g.emit(stream, in); err != nil {
			return g.end(err)
		}
	}
}

// upload counts the messages.
func (g *target) upload(_ any, stream grpc.ServerStream) error {
	count := int64(0)
	for ; ; count++ {
		in, err := g.read(stream)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if count == 0 {
			if over, err := g.begun(stream); over {
				return err
			}
		}
		switch mode := g.behaviour(); {
		case in.number == 2 && (mode == breaks || mode == stalls || mode == resets || mode == closes):
			return g.end(g.emit(stream, in))
		case in.number == 2 && mode == early:
			return stream.SendMsg(note{number: count}.bytes())
		}
	}
	switch g.behaviour() {
	case drops:
		count--
	case repeats:
		count++
	}
	return stream.SendMsg(note{number: count}.bytes())
}

var (
	errEnd  = errors.New("end with OK")
	errHang = errors.New("hang")
)

// end turns the errors of emit into the end of a handler.
func (g *target) end(err error) error {
	switch {
	case errors.Is(err, errEnd):
		return nil
	case errors.Is(err, errHang):
		<-g.released
	}
	return err
}

// emit sends one answer, or does what the fault asks for.
func (g *target) emit(stream grpc.ServerStream, n note) error {
	mode := g.behaviour()
	if mode == swaps && n.number == 1 {
		return nil // sent after message 2
	}
	if n.number != 2 {
		return stream.SendMsg(n.bytes())
	}
	switch mode {
	case drops:
		return nil
	case repeats:
		return errors.Join(stream.SendMsg(n.bytes()), stream.SendMsg(n.bytes()), stream.SendMsg(n.bytes()))
	case swaps:
		before := note{1, n.text}
		if len(n.text) > 0 && n.text[len(n.text)-1] == '2' {
			before.text = n.text[:len(n.text)-1] + "1"
		}
		return errors.Join(stream.SendMsg(n.bytes()), stream.SendMsg(before.bytes()))
	case confuses:
		return stream.SendMsg(note{n.number + 1000, "r1.conformance.999.2"}.bytes())
	case early:
		return errEnd
	case breaks:
		return status.Error(codes.Aborted, "as told")
	case stalls:
		return errHang
	case spoils:
		return stream.SendMsg([]byte{0x12})
	case bloats:
		return stream.SendMsg(make([]byte, defaultMaxMessage+1))
	case resets:
		g.conn(stream.Context()).Reset()
		return errHang
	case closes:
		g.conn(stream.Context()).Close()
		return errHang
	}
	return stream.SendMsg(n.bytes())
}
