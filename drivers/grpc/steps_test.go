package grpc

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers"
	"wringer/drivers/checks"
	"wringer/drivers/drivertest"
)

// inSteps makes the call the only step of a chain.
func inSteps(c *Config) {
	c.Steps = []Step{{Name: "only", Method: c.Method, Message: c.Message}}
	c.Method, c.Message = "", nil
}

// said is a reply with a text and a number.
func said(text string, number int64) []byte {
	b := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), text)
	return protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), protowire.EncodeZigZag(number))
}

// orderOf is the order and the quantity that a call asks for.
func orderOf(in *dynamicpb.Message) (id string, quantity int64) {
	fields := in.Descriptor().Fields()
	return in.Get(fields.ByName("order_id")).String(), in.Get(fields.ByName("quantity")).Int()
}

// twoSteps is a chain whose second step uses what the first captured.
func twoSteps(g *target) *Config {
	c := reserve(g)
	c.Steps = []Step{
		{Name: "create", Method: c.Method, Message: c.Message, Capture: map[string]string{"ticket": "$.text", "count": "$.number"}},
		{Name: "read", Method: c.Method, Message: map[string]any{"orderId": "{{ticket}}", "quantity": "{{count}}"},
			Metadata: map[string]string{"x-ticket": "{{ticket}}"},
			Checks: []Check{
				{checks.Document{Name: "own", Match: map[string]string{"$.text": "^of {{ticket}}$"}}},
				{checks.Document{Name: "more", Compare: []string{"$.number > {{count}}"}}},
			}},
	}
	c.Method, c.Message, c.Metadata = "", nil, map[string]string{"x-all": "{{id}}", "X-Ticket": "none"}
	return c
}

func TestSteps(t *testing.T) { onBothPaths(t, testSteps) }

func testSteps(t *testing.T, change func(*Config)) {
	g := start(t, "v1")
	g.says = func(in *dynamicpb.Message) ([]byte, error) {
		id, quantity := orderOf(in)
		return said("of "+id, quantity+5), nil
	}
	c := twoSteps(g)
	change(c)
	at := do(t, open(t, c), drivers.Op{Seq: 3})
	if at.Outcome != drivers.Acked || len(*at.Steps) != 2 || at.Checked != 3 || at.Failed != 0 || !at.Wire {
		t.Fatalf("%+v", at)
	}
	if id, quantity := orderOf(g.last.Load()); id != "of r1.conformance.3" || quantity != 7 {
		t.Errorf("the second step asked for %q, %d", id, quantity)
	}
	if md := *g.header.Load(); md.Get("x-ticket")[0] != "of r1.conformance.3" || len(md.Get("x-ticket")) != 1 || md.Get("x-all")[0] != "r1.conformance.3" {
		t.Errorf("metadata %v", md)
	}
	steps := *at.Steps
	if at.Sent != steps[0].Sent || at.Done != steps[1].Done || steps[1].Sent < steps[0].Done {
		t.Errorf("attempt %v to %v, steps %+v", at.Sent, at.Done, steps)
	}
}

// The outcome of a chain that ends early depends on the steps before. A lying answer is found.
func TestStepsThatEndEarly(t *testing.T) {
	refused := status.Error(codes.NotFound, "no such order")
	for name, test := range map[string]struct {
		first, second func(id string, quantity int64) ([]byte, error)
		outcome       drivers.Outcome
		code, detail  string
		failed        uint64
	}{
		"first refused":   {func(string, int64) ([]byte, error) { return nil, refused }, nil, drivers.Rejected, "grpc_not_found", "step create: no such order", 0},
		"after an effect": {nil, func(string, int64) ([]byte, error) { return nil, refused }, drivers.Indeterminate, "grpc_not_found", "step read", 0},
		"another order": {nil, func(string, int64) ([]byte, error) { return said("of nobody", 100), nil }, drivers.Indeterminate, drivers.CodeCheck,
			`step read: check own: json $.text is "of nobody", which does not match ^of {{ticket}}$ (operation r1.conformance.3)`, 1},
		"both": {nil, func(string, int64) ([]byte, error) { return said("of nobody", 1), nil }, drivers.Indeterminate, drivers.CodeCheck, "check own", 3},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, "v1")
			calls := 0
			g.says = func(in *dynamicpb.Message) ([]byte, error) {
				say := func(id string, quantity int64) ([]byte, error) { return said("of "+id, quantity+5), nil }
				if calls++; calls == 1 && test.first != nil {
					say = test.first
				} else if calls == 2 && test.second != nil {
					say = test.second
				}
				return say(orderOf(in))
			}
			at := do(t, open(t, twoSteps(g)), drivers.Op{Seq: 3})
			if at.Outcome != test.outcome || at.Code != test.code || at.Failed != test.failed || !strings.Contains(at.Detail, test.detail) {
				t.Errorf("%+v", at)
			}
		})
	}
	g := start(t, "v1")
	c := twoSteps(g)
	c.Steps[0].Capture = map[string]string{"ticket": "$.inner", "count": "$.number"}
	if at := do(t, open(t, c), drivers.Op{}); at.Outcome != drivers.Indeterminate || at.Code != drivers.CodeCheck || !strings.Contains(at.Detail, "capture ticket: $.inner is absent") || g.received.Load() != 1 {
		t.Errorf("nothing to capture: %+v", at)
	}
}

// A captured value that the field of a later step cannot hold is not sent.
func TestStepThatCannotBeSent(t *testing.T) {
	g := start(t, "v1")
	c := twoSteps(g)
	c.Steps[0].Capture = map[string]string{"ticket": "$.number", "count": "$.text"} // the text is empty
	at := do(t, open(t, c), drivers.Op{})
	if at.Outcome != drivers.Indeterminate || at.Code != drivers.CodeMessage || g.received.Load() != 1 || len(*at.Steps) != 2 || at.Unsent() == "" {
		t.Errorf("%+v", at)
	}
}

// A later message of a stream that its field cannot hold ends the call by the run's own doing, though earlier messages were sent.
func TestStreamWhoseMessageCannotBeSent(t *testing.T) {
	g := start(t, "v1")
	for name, c := range map[string]*Config{"client": uploading(g), "both ways": talking(g)} {
		t.Run(name, func(t *testing.T) {
			c.Message = []any{map[string]any{"quantity": 1}, map[string]any{"quantity": "{{seq}}"}}
			c.Stream.ID = ""
			at := do(t, open(t, c), drivers.Op{Seq: 1 << 63})
			if at.Outcome == drivers.Acked || at.Code != drivers.CodeMessage || !at.Wire || at.Unsent() == "" {
				t.Errorf("%q: %+v", at.Unsent(), at)
			}
		})
	}
}

func TestCheckOfSteps(t *testing.T) {
	step := func(change func(*Config)) *Config {
		c := &Config{Target: "h:1", Steps: []Step{{Name: "a", Method: "a.B/C"}, {Name: "b", Method: "a.B/C"}}}
		change(c)
		return c
	}
	for name, test := range map[string]struct {
		c    *Config
		want string
	}{
		"fine":          {step(func(*Config) {}), ""},
		"name":          {step(func(c *Config) { c.Steps[0].Name = "" }), "steps[0].name: \"\" is no name"},
		"twice":         {step(func(c *Config) { c.Steps[1].Name = "a" }), "steps[1].name: two steps are named a"},
		"no method":     {step(func(c *Config) { c.Steps[1].Method = "" }), "steps[1].method: is missing"},
		"beside a call": {step(func(c *Config) { c.Method = "a.B/C" }), "method: stands beside steps"},
		"empty":         {step(func(c *Config) { c.Steps = []Step{} }), "steps: is empty"},
		"many":          {step(func(c *Config) { c.Steps = manySteps(51) }), "steps: are 51"},
		"capture":       {step(func(c *Config) { c.Steps[0].Capture = map[string]string{"x": "text"} }), "steps[0].capture.x: path \"text\": begin with $"},
		"reserved":      {step(func(c *Config) { c.Steps[0].Capture = map[string]string{"id": "$.text"} }), "is a built-in name"},
		"used too early": {step(func(c *Config) {
			c.Steps[0].Capture, c.Steps[0].Message = map[string]string{"x": "$.text"}, map[string]any{"orderId": "{{x}}"}
		}), "steps[0].message: template"},
		"used later": {step(func(c *Config) {
			c.Steps[0].Capture, c.Steps[1].Metadata = map[string]string{"x": "$.text"}, map[string]string{"k": "{{x}}"}
		}), ""},
		"metadata": {step(func(c *Config) { c.Steps[1].Metadata = map[string]string{"te": "x"} }), "steps[1].metadata.te: is set by the driver"},
		"checks":   {step(func(c *Config) { c.Steps[1].Checks = []Check{{}} }), "steps[1].checks[0]: checks nothing"},
		"two names": {step(func(c *Config) {
			c.Steps[0].Checks = []Check{{checks.Document{Name: "x", Null: []string{"$.inner"}}}}
			c.Steps[1].Checks = c.Steps[0].Checks
		}), "steps[1].checks[0].name: two checks are named x"},
	} {
		t.Run(name, func(t *testing.T) {
			var problems []string
			test.c.Check(func(field, message string) { problems = append(problems, field+": "+message) })
			if test.want == "" && len(problems) > 0 || test.want != "" && (len(problems) != 1 || !strings.Contains(problems[0], test.want)) {
				t.Errorf("%q, want %q", problems, test.want)
			}
		})
	}
}

func manySteps(n int) (all []Step) {
	for i := range n {
		all = append(all, Step{Name: fmt.Sprint("s", i), Method: "a.B/C"})
	}
	return all
}

// What files say is checked against each step, where it stands.
func TestFilesOfSteps(t *testing.T) {
	dir := t.TempDir()
	proto, err := os.ReadFile("testdata/shop.proto")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"shop.proto": string(proto), "odd.json": `{"type":"odd"}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := twoSteps(&target{address: "h:1"})
	c.Protos = []string{"shop.proto"}
	c.Steps[0].Checks = []Check{{checks.Document{Schema: "odd.json"}}}
	c.Steps[0].Capture["ticket"] = "$.texts"
	c.Steps[1].Message = map[string]any{"orderId": "{{ticket}}", "quantity": "{{count}}", "gift": "maybe", "colour": 1}
	c.Steps[1].Checks[1].Absent = []string{"$.colour"}
	var got []string
	c.Check(func(field, message string) { t.Errorf("%s: %s", field, message) })
	c.CheckFiles(dir, func(string) error { return nil }, func(field, message string) { got = append(got, field+": "+message) })
	all := strings.Join(got, "\n")
	for _, want := range []string{"steps[0].checks[0].schema: ", "steps[0].capture.ticket: test.v1.ReserveReply has no field texts", "steps[1].message.gift: ", "steps[1].message.colour: ",
		"steps[1].checks[1].absent[0]: test.v1.ReserveReply has no field colour"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not told in\n%s", want, all)
		}
	}
	if len(got) != 5 {
		t.Errorf("%d problems:\n%s", len(got), all)
	}
	c = reserve(&target{address: "h:1"})
	c.Checks = []Check{{checks.Document{Schema: "odd.json"}}}
	if _, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now())); err == nil {
		t.Error("a schema that is not there is taken")
	}
}

// A step streams no messages.
func TestStepsAreUnary(t *testing.T) {
	g := start(t, "v1")
	c := twoSteps(g)
	c.Steps[1].Method, c.Steps[1].Checks = "test.v1.Inventory/Watch", nil
	if _, err := c.Open(t.Context(), drivertest.NewEnv(t, time.Now())); err == nil || !strings.Contains(err.Error(), "step read: test.v1.Inventory/Watch streams") {
		t.Errorf("%v", err)
	}
}

// A chain goes on to its end against a null target, whose answers are empty: what no answer has is a text that is a number, too. Against
// any other target it fails.
func TestStepsWithoutTheirAnswers(t *testing.T) {
	g := start(t, "v1")
	g.says = func(*dynamicpb.Message) ([]byte, error) { return nil, nil }
	c := twoSteps(g)
	c.Steps[0].Capture = map[string]string{"ticket": "$.text", "count": "$.number", "first": "$.text"}
	c.Steps[1].Message = map[string]any{"orderId": "{{ticket}}{{first}}", "quantity": "{{count}}"}
	null := c.Null("").(*Config)
	if at := do(t, open(t, null), drivers.Op{Seq: 3}); at.Outcome != drivers.Acked || len(*at.Steps) != 2 {
		t.Fatalf("%+v", at)
	}
	if id, quantity := orderOf(g.last.Load()); id != standIn+standIn || quantity != 0 {
		t.Errorf("the second step asked for %q, %d", id, quantity)
	}
	if at := do(t, open(t, c), drivers.Op{Seq: 4}); at.Outcome == drivers.Acked {
		t.Errorf("the checks of the chain itself were left out: %+v", at)
	}
}
