package e2e

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"wringer/drivers"
	"wringer/drivers/drivertest"
	"wringer/reports"
)

// ledgerTarget is a target that counts arrivals, and treats its clients badly in turns.
type ledgerTarget struct {
	seed uint64
	over chan struct{}

	mu           sync.Mutex
	heads, whole map[string]int // by mark
}

func (l *ledgerTarget) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mark := r.Header.Get(drivers.MarkHeader)
	l.mu.Lock()
	l.heads[mark]++
	nth := l.heads[mark]
	l.mu.Unlock()
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	l.mu.Lock()
	l.whole[mark]++
	l.mu.Unlock()
	_, seq, _ := strings.Cut(mark, ".") // the run's part is another in each run
	h := fnv.New64a()
	h.Write([]byte(seq))
	switch drivers.DrawBelow(drivers.Draw(l.seed, h.Sum64(), uint64(nth)), 12) {
	case 0: // a reset, of the connection or of the stream
		if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
			drivertest.NewRawConn(c).Reset()
			return
		}
		panic(http.ErrAbortHandler)
	case 1:
		w.WriteHeader(http.StatusServiceUnavailable)
	case 2: // silence, until the client has gone
		select {
		case <-r.Context().Done():
		case <-l.over:
		}
	case 3:
		w.WriteHeader(http.StatusNoContent)
	default:
		io.WriteString(w, "ok")
	}
}

const ledgerScenario = `name: counted
seed: %d
run: {duration: 4s, drain: 1s}
traffic:
  plain:
    rest: {request: POST %[2]s/plain, body: "{{id}} {{string 300}}"}
    rate: 60/s
    timeout: 250ms
    retry: {attempts: 4, backoff: 10ms}
    witness: true
  frames:
    rest: {request: POST %[2]s/frames, body: "{{id}} {{string 300}}", http2: true}
    rate: 60/s
    timeout: 250ms
    retry: {attempts: 4, backoff: 10ms}
    witness: true
faults:
  - {name: lost-answers, at: 1s, for: 800ms, link: plain, partition: from-target}
  - {name: lost-requests, at: 2s, for: 500ms, link: plain, partition: to-target}
  - {name: slow, at: 2500ms, for: 500ms, link: plain, latency: 50ms, jitter: 20ms}
  - {name: late-frames, at: 1s, for: 600ms, link: frames, partition: from-target, mode: hold}
  - {name: held, at: 2s, for: 400ms, link: frames, partition: both, mode: hold}
expect:
  - plain.arrived_twice > 0
`

// TestWitnessAgreesWithTheTarget runs against a target that counts for itself, through faults, resets, silence and retries. The
// record's arrivals are exactly the requests that the target got. Frames come late, and none is lost: a client that finds its
// HTTP/2 connection broken resets it, and frames that the target had not read by then are gone from its socket.
func TestWitnessAgreesWithTheTarget(t *testing.T) {
	several(t)
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("seed %d", seed+1), func(t *testing.T) {
			checkedScenario(t, usual)
			target := &ledgerTarget{seed: seed, over: make(chan struct{}), heads: map[string]int{}, whole: map[string]int{}}
			server := httptest.NewUnstartedServer(target)
			server.Config.Protocols = new(http.Protocols)
			server.Config.Protocols.SetHTTP1(true)
			server.Config.Protocols.SetUnencryptedHTTP2(true)
			server.Start()
			dir := t.TempDir()
			file := filepath.Join(dir, "counted.yaml")
			if err := os.WriteFile(file, fmt.Appendf(nil, ledgerScenario, seed+1, server.URL), 0o644); err != nil {
				t.Fatal(err)
			}
			record := filepath.Join(dir, "record")
			code, stdout, stderr := wringer(t, "run", "--quiet", "--out", record, file)
			close(target.over)
			server.Close()
			if code != reports.ExitPass && code != reports.ExitInconclusive {
				t.Errorf("exit %d:\n%s%s", code, stdout, stderr)
			}
			rec := loadRecord(t, record)
			for _, name := range []string{"plain", "frames"} {
				target.agrees(t, name, rec.Run.Streams[name].Total.Witness)
			}
			evidence := 0
			for _, v := range rec.Violations {
				if v.Kind == "arrived_twice" && strings.Contains(v.Why, "on connection") && len(v.Attempts) > 1 {
					evidence++
				}
			}
			if evidence == 0 {
				t.Errorf("no evidence of an operation that arrived twice among %d violations", len(rec.Violations))
			}
		})
	}
}

// agrees compares the witness's counts of a stream with the target's own account.
func (l *ledgerTarget) agrees(t *testing.T, stream string, w *reports.Witness) {
	t.Helper()
	var arrivals, whole, operations, twice, most int64
	for mark, n := range l.heads {
		if !strings.Contains(mark, "."+stream+".") {
			continue
		}
		arrivals, whole, operations = arrivals+int64(n), whole+int64(l.whole[mark]), operations+1
		most = max(most, int64(n))
		if n > 1 {
			twice++
		}
	}
	for _, c := range []struct {
		name string
		want int64
	}{
		{"arrivals", arrivals}, {"arrived_cut", arrivals - whole}, {"arrived_operations", operations}, {"arrived_twice", twice},
		{"max_arrivals", most}, {"hidden_arrivals", 0},
	} {
		if got := w.Count(c.name); got == nil || *got != c.want {
			t.Errorf("%s: %s is %v, the target counted %d", stream, c.name, reports.Measured(got, reports.Count), c.want)
		}
	}
	if twice == 0 || operations != 240 && *w.NotArrived == 0 {
		t.Errorf("%s: %d operations arrived, %d of them twice: the test tested little", stream, operations, twice)
	}
}

const blindScenario = `name: blind
seed: 1
run: {duration: 1s, drain: 100ms}
traffic:
  a:
    rest: {request: "POST http://%s/x", body: "{{id}}"}
    rate: 20/s
    timeout: 200ms
    witness: true
expect:
  - a.arrived_twice == 0
  - a.not_arrived == 0
  - a.arrivals > 0
`

// A witness that cannot read the traffic decides nothing.
func TestBlindWitnessIsInconclusive(t *testing.T) {
	checkedScenario(t, light)
	address := drivertest.ServeRaw(t, func(c *drivertest.RawConn) {
		c.Some()
		c.Say("HTTP/1.1 101 Switching Protocols\r\n\r\n")
		c.Hang()
	}).Address()
	dir := t.TempDir()
	file := filepath.Join(dir, "blind.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, blindScenario, address), 0o644); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(dir, "record")
	if code, stdout, stderr := wringer(t, "run", "--quiet", "--out", record, file); code != reports.ExitInconclusive {
		t.Errorf("exit %d, want inconclusive:\n%s%s", code, stdout, stderr)
	}
	run := loadRecord(t, record).Run
	for i := range run.Gates {
		if g := &run.Gates[i]; g.Verdict != reports.Inconclusive {
			t.Errorf("%s: %s, %s", g.Expr, g.Verdict, g.Why)
		}
	}
	if why := strings.Join(run.Validity.Why, "\n"); !strings.Contains(why, "arrivals of stream a are not fully known") || !strings.Contains(why, "101") {
		t.Errorf("why %s", why)
	}
}

// TestWitnessScenario runs the shipped scenario, and once more with a shop that ignores the key: the replays find the defect.
func TestWitnessScenario(t *testing.T) {
	several(t)
	src, err := os.ReadFile("../../../scenarios/witness.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bin := buildCommand(t)
	t.Run("kept", func(t *testing.T) {
		scenario(t, usual)
		_, run := probe(t, bin, src, reports.ExitPass)
		orders, stock := run.Streams["orders"].Total, run.Streams["stock"].Total
		if *orders.Witness.ArrivedTwice == 0 || *stock.Witness.Arrivals != stock.Attempts || orders.Replays.Honoured == 0 {
			t.Errorf("orders %+v %+v, stock %+v", orders.Witness, orders.Replays, stock.Witness)
		}
	})
	t.Run("ignored", func(t *testing.T) {
		scenario(t, usual)
		src := bytes.Replace(src, []byte("target: {shop: {}}"), []byte("target: {shop: {defects: [no-dedupe]}}"), 1)
		rec, run := probe(t, bin, src, reports.ExitFail)
		orders := run.Streams["orders"].Total
		// A shop without a memory takes each replay as an order: the answers to the unchanged ones are equal, too.
		changed := orders.Replays.Kinds["changed"]
		if changed.Violations == 0 || changed.Honoured > 0 || *orders.Integrity.EffectDuplicates == 0 {
			t.Errorf("%+v, %d effect duplicates", orders.Replays, *orders.Integrity.EffectDuplicates)
		}
		for _, v := range rec.Violations {
			if v.Kind == "replay_violation" && strings.Contains(v.Why, "changed replay") && len(v.Attempts) == 1 {
				return
			}
		}
		t.Error("no evidence of a violation")
	})
}

// probe runs a scenario, and repeats it if the machine was too busy to decide. If the second run decides nothing either, every
// measured value must still meet its gate.
func probe(t *testing.T, bin binary, src []byte, want int) (*reports.Record, *reports.Run) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "witness.yaml")
	if err := os.WriteFile(file, src, 0o644); err != nil {
		t.Fatal(err)
	}
	for try := 1; ; try++ {
		record := filepath.Join(dir, fmt.Sprintf("record%d", try))
		code, stdout, stderr := bin.run(t, "run", "--quiet", "--out", record, file)
		rec := loadRecord(t, record)
		busy := strings.Contains(strings.Join(rec.Run.Validity.Why, "\n"), "the load generator was saturated")
		switch {
		case code == want:
		case (busy || starved(rec.Run)) && try < 4:
			t.Logf("once more: %s", rec.Run.Validity.Why)
			continue
		case busy && code == reports.ExitInconclusive && len(rec.Run.Validity.Why) == len(rec.Run.Why):
			t.Logf("every gate held, on a machine too busy to say so: %s", rec.Run.Why)
		default:
			t.Errorf("exit %d, want %d:\n%s%s", code, want, stdout, stderr)
		}
		return rec, rec.Run
	}
}
