package tier

import (
	"flag"
	"testing"
)

func TestSlow(t *testing.T) {
	var skipped bool
	t.Run("slow", func(t *testing.T) {
		defer func() { skipped = t.Skipped() }()
		Slow(t, "as a test of -short")
	})
	if skipped != testing.Short() {
		t.Errorf("skipped %t under -short=%t", skipped, testing.Short())
	}
}

func TestRounds(t *testing.T) {
	want := 20
	if testing.Short() || Raced() {
		want = 3
	}
	if got := Rounds(t, 20, 3); got != want {
		t.Errorf("%d rounds under -short=%t and -race=%t, want %d", got, testing.Short(), Raced(), want)
	}
}

func TestAtOnce(t *testing.T) {
	parallel := flag.Lookup("test.parallel").Value
	was := parallel.String()
	defer parallel.Set(was)
	if AtOnce(5); parallel.String() != "5" {
		t.Errorf("-parallel is %s, want 5", parallel)
	}
}
