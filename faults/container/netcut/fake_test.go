package netcut

import (
	"strings"
	"testing"

	"wringer/faults"
	"wringer/faults/container"
	"wringer/faults/container/containertest"
)

const inspected = `{"State": {"Running": true, "Pid": 0}, "NetworkSettings": {"Networks": {"run": {
	"NetworkID": "n1", "IPAddress": "172.30.0.5", "MacAddress": "02:42:ac:1e:00:05", "Aliases": ["stock", "abcdefabcdef"]}}}}`

// The engine is asked to take the container out of each network, and to put it back with its address and its own names.
func TestRequestsOfADisconnection(t *testing.T) {
	f := containertest.NewFake(t, map[string]string{"GET /containers/abcdefabcdef00/json": inspected})
	box := container.New(container.Spec{Engine: f.Engine, ID: "abcdefabcdef00", Name: "stock"})
	config := &Disconnect{Disconnect: "stock"}
	fault, err := config.Open(faults.Env{Name: "gone", Part: func(string) (faults.Part, error) { return box, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := fault.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Set("GET /containers/abcdefabcdef00/json", `{"State": {"Running": true}, "NetworkSettings": {"Networks": {}}}`)
	if err := fault.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if fault.Probe(t.Context()) == nil {
		t.Error("the container is in no network, and the probe sees nothing wrong")
	}
	asked := f.Asked()
	if len(asked) != 2 || !strings.HasPrefix(asked[0], "POST /networks/n1/disconnect") || !strings.HasPrefix(asked[1], "POST /networks/n1/connect") {
		t.Fatalf("%q", asked)
	}
	for _, want := range []string{`"IPv4Address":"172.30.0.5"`, `"Aliases":["stock"]`, `"MacAddress":"02:42:ac:1e:00:05"`} {
		if !strings.Contains(asked[1], want) {
			t.Errorf("%s is not in %s", want, asked[1])
		}
	}
	if fault.Bite().Bit {
		t.Error("nothing met it")
	}
}

// A partition is refused at once where the container is not on this machine.
func TestPartitionElsewhere(t *testing.T) {
	f := containertest.NewFake(t, map[string]string{"GET /containers/abcdefabcdef00/json": inspected})
	box := container.New(container.Spec{Engine: f.Engine, ID: "abcdefabcdef00", Name: "stock"})
	config := &Partition{Between{From: Names{"orders"}, To: Names{"stock"}}}
	_, err := config.Open(faults.Env{Name: "cut", Part: func(string) (faults.Part, error) { return box, nil }})
	if err == nil || !strings.Contains(err.Error(), "is not within reach") || !strings.Contains(err.Error(), "put a link") {
		t.Errorf("%v", err)
	}
}

func TestCheckOfAPartition(t *testing.T) {
	for want, b := range map[string]Between{
		"":                      {From: Names{"a"}, To: Names{"b"}},
		"names nothing in from": {To: Names{"b"}},
		"names nothing in to":   {From: Names{"a"}},
		"turn the two round":    {From: Names{"others"}, To: Names{"a"}},
		"write others alone":    {From: Names{"a"}, To: Names{"others", "b"}},
		"on both sides":         {From: Names{"a", "b"}, To: Names{"b"}},
		"twice":                 {From: Names{"a", "a"}, To: Names{"b"}},
	} {
		var got []string
		(&Partition{b}).Check(func(_, message string) { got = append(got, message) })
		if text := strings.Join(got, "; "); want == "" && text != "" || !strings.Contains(text, want) {
			t.Errorf("%+v: %q, not %q", b, text, want)
		}
	}
	var b Between
	if err := b.UnmarshalText([]byte("to-target")); err == nil || !strings.Contains(err.Error(), "name it in link") {
		t.Errorf("%v", err)
	}
}
