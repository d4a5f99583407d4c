package envelope

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"wringer/scenarios"
)

// Axis is one number of a fault, and the values of it that may be tried: the steps, from the gentlest to the worst.
type Axis struct {
	Fault, Key string
	On         string // what the fault breaks
	Unit       string
	Less       bool // the fault is worse with less
	Steps      []float64

	written float64 // 0: the scenario has none
}

// Bounds say which number of which fault is searched, and between which values. Fault and Key may be empty where there is only one.
// From and Most are written as in a scenario; empty: a tenth of what the scenario has, and ten times as much. Width is by how much
// neighbouring steps differ, as a share.
type Bounds struct {
	Fault, Key string
	From, Most string
	Width      float64
}

// NewAxis makes the axis of a scenario's fault.
func NewAxis(sc *scenarios.Scenario, b Bounds) (*Axis, error) {
	fault, err := breakage(sc, b.Fault)
	if err != nil {
		return nil, err
	}
	at := fault.At + ": fault " + fault.Name
	number, err := intensity(fault, b.Key)
	if err != nil {
		return nil, fmt.Errorf("%s %w", at, err)
	}
	a := &Axis{Fault: fault.Name, Key: number.Key, On: strings.Join(fault.On, ", "), Less: number.Less}
	if number.Written != "" {
		if a.written, a.Unit, err = parseQuantity(number.Written); err != nil {
			return nil, fmt.Errorf("%s: %s is %s, and no single number that can be set to others", at, number.Key, number.Written)
		}
	}
	low, high, err := a.between(b, number)
	if err != nil {
		return nil, err
	}
	if a.Steps = ladder(low, high, b.Width, number.Whole); a.Less {
		slices.Reverse(a.Steps)
	}
	if len(a.Steps) > mostSteps {
		return nil, fmt.Errorf("from %s to %s there are %d steps, more than %d: search less, or with a larger --width",
			writeQuantity(low, a.Unit), writeQuantity(high, a.Unit), len(a.Steps), mostSteps)
	}
	return a, nil
}

// mostSteps bounds the steps of an axis.
const mostSteps = 10_000

// breakage finds the fault; name may be empty where there is only one.
func breakage(sc *scenarios.Scenario, name string) (*scenarios.Breakage, error) {
	all := sc.Breakages()
	var names []string
	for i := range all {
		if names = append(names, all[i].Name); all[i].Name == name || name == "" && len(all) == 1 {
			return &all[i], nil
		}
	}
	switch {
	case len(all) == 0:
		return nil, fmt.Errorf("%s: the scenario has no fault: faults says what breaks", sc.Path)
	case name == "":
		return nil, fmt.Errorf("%s: the scenario has %d faults: name one of %s with --fault", sc.Path, len(all), strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("--fault %s: %s has no fault of that name; it has %s", name, sc.Path, strings.Join(names, ", "))
}

// intensity finds the number. Without a key it is the only one that the scenario has; where there is none, it is the fault's length.
func intensity(fault *scenarios.Breakage, key string) (*scenarios.Intensity, error) {
	var has, all []string
	var found []*scenarios.Intensity
	for i := range fault.Intensities {
		n := &fault.Intensities[i]
		all = append(all, n.Key)
		isLength := n.Key == lengthKey
		if key == "" && n.Written != "" && !isLength {
			has, found = append(has, n.Key), append(found, n)
		}
		if key == n.Key {
			return n, nil
		}
		if key != "" && strings.HasSuffix(n.Key, "."+key) {
			found = append(found, n)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(all) == 0:
		return nil, fmt.Errorf("has no number that makes it worse, and a nemesis chooses its length: name another with --fault")
	case key == "" && len(found) > 1:
		return nil, fmt.Errorf("has several numbers: name one of %s with --axis", strings.Join(append(has, lengthKey), ", "))
	case key == "" && !fault.Chosen:
		return &fault.Intensities[len(fault.Intensities)-1], nil
	case key == "":
		return nil, fmt.Errorf("has no number in the scenario: name one of %s with --axis", strings.Join(all, ", "))
	}
	return nil, fmt.Errorf("has no number %s that makes it worse; --axis takes one of %s", key, strings.Join(all, ", "))
}

// lengthKey is the key of a fault's length.
const lengthKey = "for"

// between reads the bounds.
func (a *Axis) between(b Bounds, number *scenarios.Intensity) (low, high float64, err error) {
	if a.written == 0 && (b.From == "" || b.Most == "") {
		return 0, 0, fmt.Errorf("%s.%s is not in the scenario: say with --from and --max where to search", a.Fault, a.Key)
	}
	const tenfold = 10
	low, high = a.written/tenfold, a.written*tenfold
	if number.Whole {
		low = max(1, float64(int(low)))
	}
	if a.Unit == inRatio {
		high = min(high, 1)
	}
	for _, flag := range []struct {
		name, text string
		to         *float64
	}{{"from", b.From, &low}, {"max", b.Most, &high}} {
		if flag.text == "" {
			continue
		}
		v, unit, err := parseQuantity(flag.text)
		switch {
		case err != nil:
			return 0, 0, fmt.Errorf("--%s %w", flag.name, err)
		case a.Unit == "":
			a.Unit = unit
		case unit == inCount && a.Unit == inRatio, unit == inRatio && a.Unit == inCount && !number.Whole:
			a.Unit = inRatio
		case unit != a.Unit:
			return 0, 0, fmt.Errorf("--%s %s: %s.%s is written otherwise, as in %s", flag.name, flag.text, a.Fault, a.Key, a.example(b))
		}
		if number.Whole && v != float64(int64(v)) {
			return 0, 0, fmt.Errorf("--%s %s: %s.%s is a whole number", flag.name, flag.text, a.Fault, a.Key)
		}
		*flag.to = v
	}
	if low >= high {
		return 0, 0, fmt.Errorf("--from %s is not below --max %s: there is nothing to search between them", writeQuantity(low, a.Unit), writeQuantity(high, a.Unit))
	}
	return low, high, nil
}

// example is a value that is written as it should be.
func (a *Axis) example(b Bounds) string {
	if a.written > 0 {
		return writeQuantity(a.written, a.Unit)
	}
	return b.From
}

// Name is the axis in the answer's terms: slow.latency.
func (a *Axis) Name() string { return a.Fault + "." + a.Key }

// Text writes the value of a step for people.
func (a *Axis) Text(step int) string { return forPeople(writeQuantity(a.Steps[step], a.Unit)) }

// Change is what a step changes in the scenario. A fault that lasts longer than the scenario has it makes the run as much longer: what
// comes after it keeps its time.
func (a *Axis) Change(step int) *scenarios.Change {
	c := &scenarios.Change{Fault: a.Fault, Key: a.Key, Value: writeQuantity(a.Steps[step], a.Unit)}
	if a.Key == lengthKey {
		c.Longer = max(0, time.Duration(a.Steps[step]-a.written))
	}
	return c
}

// Read reads the scenario with a change.
type Read func(*scenarios.Change) (*scenarios.Scenario, error)

// Check reads the scenario at both ends of the axis, and says what would be wrong there.
func (a *Axis) Check(sc *scenarios.Scenario, read Read) error {
	for _, step := range []int{0, len(a.Steps) - 1} {
		changed, err := read(a.Change(step))
		if err != nil {
			return fmt.Errorf("with %s %s, one end of the search: %w; --from and --max move it", a.Name(), a.Text(step), err)
		}
		if a.Key != lengthKey {
			continue
		}
		if over := newOverlap(sc, changed, a.Fault); over != "" {
			return fmt.Errorf("with %s %s the fault %s reaches into %s, whose time is fixed: give that one after: %s, or lower --max", a.Name(), a.Text(step), a.Fault, over, a.Fault)
		}
	}
	return nil
}

// newOverlap names what a longer fault reaches into and did not reach into before; empty: nothing.
func newOverlap(before, after *scenarios.Scenario, fault string) string {
	was := reaches(before, fault)
	for _, name := range reaches(after, fault) {
		if !slices.Contains(was, name) {
			return name
		}
	}
	return ""
}

// reaches names the faults and phases that overlap with a fault.
func reaches(sc *scenarios.Scenario, fault string) (names []string) {
	spans := sc.Spans("")
	for _, own := range spans {
		for _, other := range spans {
			if own.Name == fault && other.Name != fault && own.Start < other.End && other.Start < own.End {
				names = append(names, other.Name)
			}
		}
	}
	return names
}
