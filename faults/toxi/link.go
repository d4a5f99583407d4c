package toxi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"

	"wringer/faults"
)

// Link is one named path. It implements faults.Link and is safe for concurrent use. All addresses dialled over it
// share its faults and its bandwidth.
type Link struct {
	name  string
	mesh  *Mesh
	proxy *toxiproxy.Proxy
	hooks [2]*hook

	active  atomic.Pointer[activeFaults]
	running sync.WaitGroup // two lanes and two sinks for each connection

	gone chan struct{} // closed with the link

	mu     sync.Mutex // held to change the fields below, and active
	flows  map[*flow]struct{}
	ended  []*flow // whose clients have ended, in this order; some are over
	serial atomic.Uint64
	layer  atomic.Pointer[placedLayer] // set before the first connection
	far    faults.DialFunc             // makes the connections of inlets to the target; set before the first

	// The duration of a round trip through the lanes, and the extra duration of a usual round trip over the link.
	baseline, cost time.Duration
}

func openLink(m *Mesh, name string) (*Link, error) {
	l := &Link{
		name: name,
		mesh: m,
		// never started: it neither listens nor dials
		proxy: toxiproxy.NewProxy(m.server, name, "", ""),
		gone:  make(chan struct{}),
		flows: map[*flow]struct{}{},
		far:   m.dial,
	}
	l.active.Store(newActiveFaults(nil))
	for d, dir := range [2]stream.Direction{toTarget: stream.Upstream, fromTarget: stream.Downstream} {
		attributes := fmt.Sprintf(`{"type": %q, "stream": %q, "toxicity": 1}`, toxicType, dir)
		toxic, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(attributes))
		if err != nil {
			return nil, err
		}
		l.hooks[d] = toxic.Toxic.(*hook)
	}
	if err := l.calibrate(); err != nil {
		l.close()
		return nil, fmt.Errorf("calibrate: %w", err)
	}
	return l, nil
}

// Name implements faults.Link.
func (l *Link) Name() string { return l.name }

// Dial implements faults.Link. Errors are those of a dial without a link. A latency on the link delays the
// connection. A partition to the target loses the first packet, so it blocks the dial until healing or the end of
// ctx. A partition from the target lets the connection through: requests keep arriving, and their answers are lost.
func (l *Link) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return l.DialVia(ctx, network, address, l.mesh.dial)
}

// DialVia implements faults.DialsVia.
func (l *Link) DialVia(ctx context.Context, network, address string, dial faults.DialFunc) (net.Conn, error) {
	far, err := l.connect(ctx, network, address, dial)
	if err != nil {
		return nil, err
	}
	return l.overLayer(ctx, far, address)
}

// connect is DialVia below the link's layer.
func (l *Link) connect(ctx context.Context, network, address string, dial faults.DialFunc) (net.Conn, error) {
	f := newFlow(l, l.serial.Add(1))
	f.address = address
	refused := func(err error) error {
		return &net.OpError{Op: "dial", Net: network, Addr: target{network, address}, Err: err}
	}
	if err := l.admit(ctx, f); err != nil {
		return nil, refused(err)
	}
	far, err := l.reach(ctx, f, func(ctx context.Context) (net.Conn, error) { return dial(ctx, network, address) })
	if err != nil {
		return nil, err
	}
	client, err := l.joinClient(ctx, f, far)
	if err != nil {
		return nil, refused(err)
	}
	return client, nil
}

// reach dials. For a connection that is half-open from the start it returns an end without a peer.
func (l *Link) reach(ctx context.Context, f *flow, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	if l.active.Load().silences(f) {
		void, _ := net.Pipe()
		return void, nil
	}
	far, err := dial(ctx)
	if errors.Is(err, syscall.ECONNREFUSED) {
		f.shows(l.active.Load().taps(f), toTarget, faults.PassedRefusal, 0)
	}
	return far, err
}

// joinClient makes a client connection and joins it to far. It closes far on an error.
func (l *Link) joinClient(ctx context.Context, f *flow, far net.Conn) (client net.Conn, err error) {
	client, near, err := l.mesh.loopback.pair(ctx)
	if err != nil {
		far.Close()
		return nil, err
	}
	f.client = client
	f.joins(near, far)
	if err := l.join(f); err != nil {
		for _, c := range []net.Conn{client, near, far} {
			c.Close()
		}
		return nil, err
	}
	return client, nil
}

// admit waits until a new connection may be made.
func (l *Link) admit(ctx context.Context, f *flow) error {
	begun := time.Now()
	for {
		a := l.active.Load()
		if err := a.admits(f); err != nil {
			return err
		}
		r := a.compose(f, toTarget, 0)
		held := r.cut && !a.silences(f)
		var wait time.Duration
		if held {
			f.charge(r.cutBy, toTarget, 0)
		} else if wait = f.handshake(a, begun); wait <= 0 {
			return nil
		}
		if err := sleep(ctx, wait, held, a.changed); err != errFaultsChanged {
			return err
		}
	}
}

// admits returns nil if connections are not refused.
func (a *activeFaults) admits(f *flow) error {
	if a.closed {
		return net.ErrClosed
	}
	if by := a.refusing(f); len(by) > 0 {
		f.charge(by, toTarget, 0)
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	return nil
}

// handshake returns how long a connection asked for at begun still has to wait. Each of its two packets is delayed by
// the latency of its direction, and is repeated if lost.
func (f *flow) handshake(a *activeFaults, begun time.Time) time.Duration {
	var late time.Duration
	var by [len(f.lanes)][]*activeFault
	for d, lane := range f.lanes {
		r := lane.look()
		delay, delayed := lane.delay(r, begun)
		late = sum(late, delay)
		for _, fault := range r.delays {
			if fault.delay.always() {
				delayed = append(delayed, fault)
			}
		}
		if r.loss > 0 {
			if stall := (lossy{lane.chance()}).handshake(r.loss); stall > 0 {
				late = sum(late, stall)
				delayed = append(delayed, r.lossBy...)
			}
		}
		by[d] = delayed
	}
	r := a.compose(f, toTarget, 0)
	by[toTarget] = append(by[toTarget], r.connectBy...)
	late = sum(late, r.connectDelay)
	wait := time.Until(begun.Add(late))
	if late == 0 || wait <= 0 {
		return 0 // what held the connection until now took longer
	}
	for d, delayed := range by {
		f.charge(delayed, direction(d), 0)
	}
	return wait
}

// errFaultsChanged: the active faults changed.
var errFaultsChanged = errors.New("orders changed")

// sleep waits for d, or without end. It returns nil when d is over.
func sleep(ctx context.Context, d time.Duration, endless bool, changed <-chan struct{}) error {
	var over <-chan time.Time
	if !endless {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return nil
	case <-changed:
		return errFaultsChanged
	case <-ctx.Done():
		return ctx.Err()
	}
}

// join starts to carry bytes between the ends of f.
func (l *Link) join(f *flow) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.active.Load()
	if err := a.admits(f); err != nil {
		return err
	}
	f.silenced.Store(a.silences(f))
	l.flows[f] = struct{}{}
	l.running.Add(4)
	id := strconv.FormatUint(f.id, 10)
	for _, lane := range f.lanes {
		from, to, dir := f.near, f.far, stream.Upstream
		if lane.direction == fromTarget {
			from, to, dir = f.far, f.near, stream.Downstream
		}
		lane.bypass = &bypass{lane: lane, to: to}
		l.hooks[lane.direction].next = lane
		l.proxy.Toxics.StartLink(l.mesh.server, id+dir.String(), &source{from, lane}, sink{to, lane}, dir)
	}
	return nil
}

func (l *Link) forget(f *flow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.flows, f)
}

// changeFaults changes the faults in force. change gets the faults and returns the new ones. It fails if the link is
// closed.
func (l *Link) changeFaults(change func([]*activeFault) []*activeFault) error {
	l.mu.Lock()
	before := l.active.Load()
	if before.closed {
		l.mu.Unlock()
		return fmt.Errorf("link %s: %w", l.name, net.ErrClosed)
	}
	after := newActiveFaults(change(before.faults))
	flows := slices.Collect(maps.Keys(l.flows))
	for _, f := range flows {
		if after.silences(f) {
			f.silenced.Store(true)
		}
	}
	l.active.Store(after)
	l.mu.Unlock()
	close(before.changed)
	for _, f := range flows {
		f.notify(before, after)
	}
	return nil
}

// notify applies new active faults where no goroutine waits for changes.
func (f *flow) notify(before, after *activeFaults) {
	if f.over() {
		return
	}
	by := slices.DeleteFunc(after.resetting(f), func(f *activeFault) bool { return slices.Contains(before.faults, f) })
	if len(by) > 0 {
		f.charge(by, toTarget, 0)
		f.charge(by, fromTarget, 0)
		f.abort()
		return
	}
	if before.idle() {
		for _, lane := range f.lanes {
			lane.bypass.close()
		}
	}
}

// close ends every connection and refuses new ones.
func (l *Link) close() {
	l.mu.Lock()
	before := l.active.Load()
	if before.closed {
		l.mu.Unlock()
		return
	}
	l.active.Store(&activeFaults{closed: true, changed: make(chan struct{})})
	close(l.gone)
	flows := slices.Collect(maps.Keys(l.flows))
	l.mu.Unlock()
	close(before.changed)
	for _, f := range flows {
		f.end()
	}
}

// wait returns when all goroutines that carry bytes have ended.
func (l *Link) wait(ctx context.Context) error {
	if err := within(ctx, &l.running); err != nil {
		return fmt.Errorf("close link %s: some connections did not end: %w", l.name, err)
	}
	return nil
}

// within waits for running, at most until ctx ends.
func within(ctx context.Context, running *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// target is the dialled address, for errors.
type target struct{ network, address string }

func (t target) Network() string { return t.network }
func (t target) String() string  { return t.address }
