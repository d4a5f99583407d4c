package kafka

import (
	"testing"

	"wringer/drivers"
)

// Several producers keep the order of each key's records. Records without a key keep the order of their producer. The same
// holds in transactions.
func TestProducers(t *testing.T) {
	t.Parallel()
	const producers, n = 3, 600
	for name, test := range map[string]struct {
		config Config
		keys   uint64
	}{
		"by key":        {Config{Producers: producers}, 7},
		"in turn":       {Config{Producers: producers}, 0},
		"transactional": {Config{Producers: producers, Transactions: &Transactions{Records: 10, Abort: 0.3}}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 2)
			env := newEnv()
			d := openDriver(t, c, test.config, env)
			if d.Producers() != producers {
				t.Errorf("%d producers", d.Producers())
			}
			source, err := d.Source()
			if err != nil {
				t.Fatal(err)
			}
			all, end := receive(t, source)
			attempts := send(t, d, 0, n, testPatience, test.keys)
			catchUp(t, source)
			if err := end(); err != nil {
				t.Fatal(err)
			}
			type scope struct {
				producer, key uint64
				partition     int32
			}
			last, seen := make(map[scope]uint64), make(map[uint64]int)
			for _, s := range all.all {
				seq, _ := env.Identity.Parse(s.ID)
				seen[seq]++
				in := scope{producer: seq % producers, partition: s.Position.Log}
				if test.keys > 0 {
					in = scope{key: seq % test.keys}
				}
				if seq < last[in] {
					t.Fatalf("operation %d after %d of %+v", seq, last[in], in)
				}
				last[in] = seq
			}
			for seq, at := range attempts {
				if acked := at.Outcome == drivers.Acked; acked != (seen[uint64(seq)] == 1) {
					t.Errorf("operation %d was seen %d times: %+v", seq, seen[uint64(seq)], at)
				}
			}
		})
	}
}
