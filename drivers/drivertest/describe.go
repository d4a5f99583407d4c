package drivertest

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wringer/drivers"
)

// testDescription checks that a description is the same each time, and matches the open driver.
func testDescription(t *testing.T, r *rig) {
	config := r.target.Config
	d := config.Describe()
	if again := config.Describe(); !reflect.DeepEqual(d, again) {
		t.Errorf("described as %+v, and then as %+v", d, again)
	}
	if d.Place == "" {
		t.Error("the description names no place")
	}
	if _, branched := config.(drivers.Branched); branched != d.Peers {
		t.Errorf("the description says Peers %v; that a %T is Branched is %v", d.Peers, config, branched)
	}
	checkOffers(t, d, r.driver)
	gaugesAreNamed(t, d.Gauges, r.driver)

	s := r.newSender(t)
	defer s.end(t)
	at := r.attempt(t, t.Context(), s, patience)
	if at.Messages != nil && !d.Messages.Streams {
		t.Error("an attempt tells of messages, and the description says that there are none")
	}
	if steps := stepsOf(&at); at.Outcome == drivers.Acked && steps != len(d.Steps) {
		t.Errorf("an acked attempt took %d steps, the description names %d", steps, len(d.Steps))
	}
}

func stepsOf(at *drivers.Attempt) int {
	if at.Steps == nil {
		return 0
	}
	return len(*at.Steps)
}

// checkOffers compares the extras that a description names with those of the driver.
func checkOffers(t *testing.T, d drivers.Description, driver drivers.Driver) {
	t.Helper()
	_, verifier := driver.(drivers.Verifier)
	_, peers := driver.(drivers.Peers)
	_, replayer := driver.(drivers.Replayer)
	_, gauger := driver.(drivers.Gauger)
	for _, extra := range []struct {
		name      string
		said, has bool
	}{
		{"Verifies, which takes a Verifier", d.Verifies, verifier},
		{"Peers, which takes drivers.Peers of the driver", d.Peers, peers},
		{"Replay, which takes a Replayer", d.Replay && d.NoReplay == "", replayer},
		{"Gauges, which take a Gauger", len(d.Gauges) > 0, gauger},
	} {
		if extra.said && !extra.has {
			t.Errorf("the description promises %s; a %T is none", extra.name, driver)
		}
	}
	if peers && !d.Peers {
		t.Errorf("a %T has Peers, and the description does not say so: no fault can name a peer", driver)
	}
	if d.Verifies && d.NoVerify != "" {
		t.Error("the description says that the driver reads back, and why it does not")
	}
	if !d.Witness && d.NoWitness != "" || !d.Replay && d.NoReplay != "" || !d.Traces && d.OwnTrace != nil {
		t.Error("the description names an obstacle to something that it does not offer")
	}
}

// gaugesAreNamed checks that a gate can name each figure that is emitted.
func gaugesAreNamed(t *testing.T, names []string, from any) {
	t.Helper()
	g, ok := from.(drivers.Gauger)
	if !ok {
		return
	}
	g.Gauges(func(name string, _ float64) {
		if !slices.Contains(names, name) {
			t.Errorf("emits the gauge %s, and the description names only %q", name, names)
		}
	})
}

// codeIsTold checks that a code with a status has the form that the description says, and that it lists any other.
func codeIsTold(t *testing.T, d drivers.Description, at *drivers.Attempt) {
	t.Helper()
	status := strconv.Itoa(at.Status)
	if d.StatusPrefix != "" && at.Status != 0 && at.Code != "" && at.Code != drivers.CodeCheck && at.Answered && at.Code != d.StatusPrefix+status {
		t.Errorf("an answer with the status %s has the code %s; the description says %s", status, at.Code, d.StatusPrefix+status)
	}
	number, prefixed := strings.CutPrefix(at.Code, d.StatusPrefix)
	_, err := strconv.Atoi(number)
	ofStatus := d.StatusPrefix != "" && prefixed && err == nil
	if d.Codes != nil && at.Code != "" && !ofStatus && !slices.Contains(d.Codes, at.Code) && !slices.Contains(drivers.CommonCodes(), at.Code) {
		t.Errorf("the code %s is not listed by the description: gates and retries could not name it", at.Code)
	}
}
