package toxi

import (
	"net"
	"slices"
	"sync"
	"testing"

	"wringer/faults"
)

// tapLog is what a tap was shown. It counts what count says.
type tapLog struct {
	mu    sync.Mutex
	all   []faults.Passing
	count func(faults.Passing) bool
}

func (l *tapLog) counts(p faults.Passing) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.Since = 0
	l.all = append(l.all, p)
	return l.count(p)
}

func (l *tapLog) shown() []faults.Passing {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

func (l *Link) tapFor(t *testing.T, address string, count func(faults.Passing) bool) (*tapLog, faults.Fault) {
	t.Helper()
	log := &tapLog{count: count}
	f := l.Tap(func(a string) bool { return a == address }, log.counts)
	if err := f.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	return log, f
}

// A tap is shown the traffic of an inlet and the connections that the target refused, for the address that it looks for. It
// counts what it wants counted.
func TestTapOnAnInlet(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	gone := serve(t, echo)
	gone.Close()
	all := func(faults.Passing) bool { return true }
	_, right := l.tapFor(t, u.address(), all)
	_, wrong := l.tapFor(t, "127.0.0.1:1", all)
	log, refused := l.tapFor(t, gone.address(), all)
	answers, some := l.tapFor(t, u.address(), func(p faults.Passing) bool { return p.Kind == faults.PassedPiece && p.FromTarget })
	c := knock(t, listen(t, l, u.address()))
	for range 2 {
		if err := say(c, "hello"); err != nil {
			t.Fatal(err)
		}
	}
	if c, err := net.Dial("tcp", listen(t, l, gone.address())); err == nil {
		_, _ = c.Read(make([]byte, 1))
		c.Close()
	}
	if b := right.Bite(); b.Connections != 1 || b.ToTarget.Bytes != 10 || b.FromTarget.Bytes != 10 {
		t.Errorf("the right address: %+v", b)
	}
	if b := wrong.Bite(); b.Bit {
		t.Errorf("another address: %+v", b)
	}
	if b := refused.Bite(); b.Connections != 1 || b.Bytes != 0 || !slices.Equal(log.shown(), []faults.Passing{{Kind: faults.PassedRefusal}}) {
		t.Errorf("one that refuses: %+v, %+v", b, log.shown())
	}
	if b := some.Bite(); b.Connections != 1 || b.ToTarget.Bytes != 0 || b.FromTarget.Bytes != 10 {
		t.Errorf("the answers: %+v", b)
	}
	want := []faults.Passing{
		{Bytes: 5, Total: 5, Asked: 5, Run: 5}, {FromTarget: true, Bytes: 5, Total: 5, Asked: 5, Run: 5},
		{Bytes: 5, Total: 10, Asked: 10, Run: 5}, {FromTarget: true, Bytes: 5, Total: 10, Asked: 10, Run: 5},
	}
	if got := answers.shown(); !slices.Equal(got, want) {
		t.Errorf("shown %+v", got)
	}
}

// A tap sees the ends of the two directions, each by who ended it.
func TestTapSeesEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		serve func(net.Conn)
		end   func(c net.Conn)
		want  []faults.Passing
	}{
		"the client ends":   {echo, func(c net.Conn) { c.Close() }, []faults.Passing{{Kind: faults.PassedEnd}}},
		"the target ends":   {after(func(c net.Conn) { c.Close() }), ask, []faults.Passing{{Kind: faults.PassedEnd, FromTarget: true}}},
		"the target resets": {after(reset), ask, []faults.Passing{{Kind: faults.PassedEnd, FromTarget: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			u, l := serve(t, tt.serve), newLink(t)
			log, _ := l.tapFor(t, u.address(), func(faults.Passing) bool { return true })
			c := dial(t, l, u.address())
			tt.end(c)
			c.Close()
			l.empty(t.Context())
			all := log.shown()
			got := slices.DeleteFunc(slices.Clone(all), func(p faults.Passing) bool { return p.Kind != faults.PassedEnd })
			for i := range got {
				got[i] = faults.Passing{Kind: got[i].Kind, FromTarget: got[i].FromTarget}
			}
			if len(got) == 0 || !slices.Equal(got[:1], tt.want) {
				t.Errorf("shown %+v, want %+v as the first end", all, tt.want)
			}
		})
	}
}

// after makes a target that waits for the client's first byte: the connection stands before it ends.
func after(end func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1))
		end(c)
	}
}

// ask sends one byte and waits for the end.
func ask(c net.Conn) {
	_, _ = c.Write([]byte("x"))
	_, _ = c.Read(make([]byte, 1))
}
