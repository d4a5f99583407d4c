package containers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"wringer/faults/container"
	"wringer/scenarios"
	"wringer/scenarios/containers/imagetest"
)

// A port that something else takes between its choice and the start is chosen anew, and the variables tell the new one.
func TestEngineChoosesAnotherPort(t *testing.T) {
	image := imagetest.Tool(t)
	var told []string
	var steps strings.Builder
	env := relayEnv(t)
	env.Doing = func(s scenarios.StartStep) { fmt.Fprintln(&steps, s.Verb, s.What) }
	env.Known = func(vars map[string]string) {
		if told = append(told, vars["web.8080"]); len(told) == 1 {
			taken, err := net.Listen("tcp", told[0])
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { taken.Close() })
		}
	}
	config := &Config{"web": {Image: image, Ports: []uint16{toolPort}, Ready: &Ready{HTTP: "/healthz", Within: 5 * time.Minute}}}
	target, err := config.Start(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := target.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if len(told) != 2 || told[0] == told[1] || target.Vars()["web.8080"] != told[1] {
		t.Errorf("told %q, and it is at %s", told, target.Vars()["web.8080"])
	}
	if !strings.Contains(steps.String(), "choose other ports") {
		t.Errorf("the start says %s", steps.String())
	}
}

// A port that is taken each time ends the start with that reason; another reason does at once.
func TestStartsAnewForPortsAlone(t *testing.T) {
	for _, test := range []struct {
		failed error
		kept   map[string]kept
		want   int
	}{
		{fmt.Errorf("start container web: %w", container.ErrPortTaken), nil, portTries},
		{fmt.Errorf("start container web: %w", container.ErrPortTaken), map[string]kept{"web": {}}, 1},
		{errors.New("start container web: no such program"), nil, 1},
	} {
		tries := 0
		_, err := (&prepared{adopted: test.kept}).withFreePorts(scenarios.TargetEnv{}, func() (*target, error) {
			tries++
			return nil, test.failed
		})
		if tries != test.want || !errors.Is(err, test.failed) {
			t.Errorf("%v: %d tries, want %d: %v", test.failed, tries, test.want, err)
		}
	}
}
