package metric

import (
	"fmt"
	"slices"
)

// Catalogue holds metrics by their full names. The zero value is empty; a Catalogue is safe for concurrent use once made.
type Catalogue struct {
	list   []*Metric
	byName map[string]*Metric
}

// New makes a catalogue of tables, in their order. Two metrics of one name are an error.
func New(tables ...[]Metric) (*Catalogue, error) {
	c := &Catalogue{byName: make(map[string]*Metric)}
	for _, table := range tables {
		for i := range table {
			m := &table[i]
			if c.byName[m.Full()] != nil {
				return nil, fmt.Errorf("two metrics are named %s: rename one of them", m.Full())
			}
			c.byName[m.Full()] = m
			c.list = append(c.list, m)
		}
	}
	return c, nil
}

// List is every metric, in the order of the tables.
func (c *Catalogue) List() []*Metric {
	if c == nil {
		return nil
	}
	return c.list
}

// Lookup returns the metric of that full name, nil when there is none.
func (c *Catalogue) Lookup(full string) *Metric {
	if c == nil {
		return nil
	}
	return c.byName[full]
}

// Prefixes lists the prefixes of times, in the order of the tables, each once.
func (c *Catalogue) Prefixes() []string {
	var all []string
	for _, m := range c.List() {
		if m.Of != "" && !slices.Contains(all, m.Of) {
			all = append(all, m.Of)
		}
	}
	return all
}

// Names lists the names behind a prefix, "" for names without one, in the order of the tables.
func (c *Catalogue) Names(prefix string) []string {
	var all []string
	for _, m := range c.List() {
		if m.Of == prefix && m.Subject == "" {
			all = append(all, m.Name)
		}
	}
	return all
}

// Subjects lists the subjects of metrics, in the order of the tables, each once.
func (c *Catalogue) Subjects() []string {
	var all []string
	for _, m := range c.List() {
		if m.Subject != "" && !slices.Contains(all, m.Subject) {
			all = append(all, m.Subject)
		}
	}
	return all
}

// Of lists the metrics of a subject, in the order of the tables.
func (c *Catalogue) Of(subject string) []*Metric {
	var all []*Metric
	for _, m := range c.List() {
		if m.Subject == subject && subject != "" {
			all = append(all, m)
		}
	}
	return all
}
