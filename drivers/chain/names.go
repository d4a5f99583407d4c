package chain

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"wringer/drivers"
)

var stepName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// CheckNames says what is wrong with the names of a chain's steps. problem takes the number of the step, from 0.
func CheckNames(names []string, problem func(step int, message string)) {
	for i, name := range names {
		switch {
		case !stepName.MatchString(name):
			problem(i, fmt.Sprintf("%q is no name: write letters, digits, -, _ and .", name))
		case slices.Contains(names[:i], name):
			problem(i, "two steps are named "+name)
		}
	}
}

// CheckLength says what is wrong with the number of steps. It is called where there is a list of steps.
func CheckLength(steps int) error {
	switch {
	case steps == 0:
		return errors.New("is empty; write a step")
	case steps > MaxSteps:
		return fmt.Errorf("are %d; a chain has at most %d", steps, MaxSteps)
	}
	return nil
}

// Captured are the names of the values that the steps so far captured, by their numbers in Op.Values.
type Captured []string

var captureName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// Add adds a name, and says what is wrong with it. A wrong name is added too: later steps may use it.
func (c *Captured) Add(name string) error {
	known := slices.Contains(*c, name)
	*c = append(*c, name)
	switch {
	case !captureName.MatchString(name):
		return errors.New("is no name: write letters, digits, - and _")
	case drivers.Reserved(name):
		return errors.New("{{" + name + "}} is a built-in name; choose another")
	case known:
		return errors.New("is captured already; choose another name")
	}
	return nil
}

var place = regexp.MustCompile(`\{\{([^{}]*)\}\}`)

// In says whether a text renders one of the values.
func (c Captured) In(text string) bool {
	for _, m := range place.FindAllStringSubmatch(text, -1) {
		for _, word := range strings.Fields(m[1]) {
			if slices.Contains(c, word) {
				return true
			}
		}
	}
	return false
}
