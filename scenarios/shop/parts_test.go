package shop

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// postAll places orders first to last-1, some at once. It returns the answers by number.
func (b *bench) postAll(first, last int) map[int]answered {
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		slots = make(chan struct{}, 32)
		got   = make(map[int]answered)
	)
	for n := first; n < last; n++ {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			a := b.post(ctx, n)
			mu.Lock()
			defer mu.Unlock()
			got[n] = a
		})
	}
	all.Wait()
	return got
}

// traffic places about rate orders a second, at most 64 at once, each until it is accepted. It goes on until stop is
// called. stop returns how many orders were placed.
func (b *bench) traffic(rate int) (stop func() int) {
	var (
		all    sync.WaitGroup
		orders int
		done   = make(chan struct{})
		slots  = make(chan struct{}, 64)
	)
	all.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-done:
				return
			}
			select {
			case slots <- struct{}{}:
			default:
				continue // the shop has enough to do
			}
			n := orders
			orders++
			all.Go(func() {
				defer func() { <-slots }()
				b.place(n)
			})
		}
	})
	stop = sync.OnceValue(func() int {
		close(done)
		all.Wait()
		return orders
	})
	b.t.Cleanup(func() { stop() }) // a failed test leaves no goroutine behind
	return stop
}

// waitPlaced waits until the shop has placed n more orders.
func (b *bench) waitPlaced(n int64) {
	b.t.Helper()
	until := b.Audit().Counts.OrdersPlaced + n
	eventually(b.t, "orders placed", func() bool { return b.Audit().Counts.OrdersPlaced >= until })
}

// killFulfilment kills and starts fulfilment a few times under traffic. It returns how many orders were placed.
func (b *bench) killFulfilment(times int) int {
	b.t.Helper()
	stop := b.traffic(300)
	for range times {
		b.waitPlaced(60)
		must(b.t, b.part("fulfilment").Kill(b.t.Context()))
		b.waitPlaced(30)
		must(b.t, b.part("fulfilment").Start(b.t.Context()))
		must(b.t, b.part("fulfilment").Ready(b.t.Context()))
	}
	return stop()
}

func TestFulfilmentShipsOnceOverKills(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{})
	orders := b.killFulfilment(5)
	b.settled()
	b.wantOnce(topicOrderEvents, 0, orders)
	b.wantOnce(topicShipments, 0, orders)
	if count := b.part("fulfilment").Met(); count < 5*30 {
		t.Errorf("%d events met a dead fulfilment", count)
	}
}

func TestFulfilmentPausesAndResumes(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{})
	f := b.part("fulfilment")
	b.mustPlace(0, 20)
	b.settled()
	eventually(t, "nothing under way", func() bool { return f.(*fulfilment).member.underway.Load() == 0 })
	for range 2 { // idempotent
		must(t, f.Pause(t.Context()))
	}
	b.mustPlace(20, 60)
	if err := f.Ready(t.Context()); err == nil {
		t.Error("ready while paused")
	}
	if count := f.Met(); count != 40 {
		t.Errorf("%d events met the pause", count)
	}
	if n := b.Audit().Counts.Shipments; n != 20 {
		t.Errorf("%d shipments while paused", n)
	}
	for range 2 {
		must(t, f.Resume(t.Context()))
	}
	b.settled()
	b.wantOnce(topicShipments, 0, 60)
	if count := f.Met(); count != 40 {
		t.Errorf("%d events met the pause, once it was over", count)
	}
}

func TestFulfilmentKillWhilePaused(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{})
	f := b.part("fulfilment")
	must(t, f.Pause(t.Context()))
	b.mustPlace(0, 30)
	for range 2 { // idempotent
		must(t, f.Kill(t.Context()))
	}
	must(t, f.Resume(t.Context()))
	if err := f.Ready(t.Context()); err == nil {
		t.Error("ready while killed")
	}
	for range 2 {
		must(t, f.Start(t.Context()))
	}
	b.settled()
	b.wantOnce(topicShipments, 0, 30)
}

func TestOrdersSurviveInventoryPause(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{})
	inventory := b.part("inventory")
	must(t, inventory.Pause(t.Context()))
	const orders = 40
	codes := make(map[string]int)
	for _, a := range b.postAll(0, orders) {
		if a.status != http.StatusServiceUnavailable {
			t.Fatalf("while paused: %+v", a)
		}
		for _, code := range []string{"inventory_timeout", "breaker_open"} {
			if strings.Contains(a.body, code) {
				codes[code]++
			}
		}
	}
	if codes["inventory_timeout"] == 0 || codes["breaker_open"] == 0 || codes["inventory_timeout"]+codes["breaker_open"] != orders {
		t.Errorf("reasons: %v", codes)
	}
	if inventory.Met() == 0 {
		t.Error("nothing met the pause")
	}
	if calls := b.Audit().Counts.InventoryCalls; calls > orders*callTries {
		t.Errorf("%d calls for %d orders", calls, orders)
	}
	must(t, inventory.Resume(t.Context()))
	b.mustPlace(0, orders)
	b.settled()
	b.wantOnce(topicOrderEvents, 0, orders)
	b.wantOnce(topicShipments, 0, orders)
}

func TestOrdersSurviveInventoryKill(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{})
	inventory := b.part("inventory")
	b.mustPlace(0, 10)
	for range 2 { // idempotent
		must(t, inventory.Kill(t.Context()))
	}
	if inventory.Met() == 0 {
		t.Error("the connection in use did not meet the kill")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := inventory.Ready(ctx); err == nil {
		t.Error("ready while killed")
	}
	if a := b.post(context.Background(), 10); a.status != http.StatusServiceUnavailable {
		t.Errorf("while killed: %+v", a)
	}
	for range 2 {
		must(t, inventory.Start(t.Context()))
	}
	must(t, inventory.Ready(t.Context()))
	b.mustPlace(10, 20)
	b.settled()
	b.wantOnce(topicOrderEvents, 0, 20)
}

func TestKillWithoutTrafficMeetsNothing(t *testing.T) {
	b := openBench(t, Config{})
	for _, name := range []string{"inventory", "fulfilment"} {
		must(t, b.part(name).Ready(t.Context()))
		must(t, b.part(name).Kill(t.Context()))
		must(t, b.part(name).Start(t.Context()))
		must(t, b.part(name).Ready(t.Context()))
		if count := b.part(name).Met(); count != 0 {
			t.Errorf("%s: %d met a kill without traffic", name, count)
		}
	}
}

func TestOrdersSurviveBrokerPause(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{})
	kafka := b.part("kafka")
	b.mustPlace(0, 10)
	must(t, kafka.Pause(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := kafka.Ready(ctx); err == nil {
		t.Error("ready while paused")
	}
	// Clients give up and try again with the same key, twice, while the brokers are frozen.
	const orders = 60
	for range 2 {
		b.giveUp(10, orders)
	}
	if n := b.Audit().Counts.OrdersPlaced; n != 10 {
		t.Errorf("%d orders placed without the brokers", n-10)
	}
	must(t, kafka.Resume(t.Context()))
	must(t, kafka.Ready(t.Context()))
	b.mustPlace(10, orders) // joins the order that continued in the background
	b.settled()
	b.wantOnce(topicOrderEvents, 0, orders)
	b.wantOnce(topicShipments, 0, orders)
	if kafka.Met() == 0 {
		t.Error("nothing met the pause")
	}
}

// giveUp posts orders with clients that wait only briefly, but longer than two calls of the inventory.
func (b *bench) giveUp(first, last int) {
	b.t.Helper()
	var all sync.WaitGroup
	for n := first; n < last; n++ {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 3*callTimeout)
			defer cancel()
			if a := b.post(ctx, n); a.status == http.StatusCreated {
				b.t.Errorf("order %d: accepted while something it needs was frozen", n)
			}
		})
	}
	all.Wait()
}

func TestPublishTimeoutIsAnsweredAndResumed(t *testing.T) {
	t.Parallel()
	b := openBench(t, Config{})
	b.mustPlace(0, 1)
	must(t, b.part("kafka").Pause(t.Context()))
	eventually(t, "publish_timeout", func() bool {
		a := b.post(context.Background(), 1)
		return a.status == http.StatusServiceUnavailable && strings.Contains(a.body, "publish_timeout")
	})
	must(t, b.part("kafka").Resume(t.Context()))
	b.mustPlace(1, 2)
	b.wantOnce(topicOrderEvents, 0, 2)
}
