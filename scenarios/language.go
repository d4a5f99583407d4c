package scenarios

import (
	"slices"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports/metric"
)

// Language is the open part of the scenario language. Each table maps a key of a scenario to a constructor of the empty
// configuration that is decoded there. The command holds the one instance.
type Language struct {
	Drivers map[string]func() drivers.Config
	Effects map[string]func() drivers.SourceConfig
	// Consume: the places from which a stream that sends nothing reads.
	Consume map[string]func() drivers.SourceConfig
	Targets map[string]func() TargetConfig
	// Links: the protocols of a link between the target's own services.
	Links map[string]func() faults.Protocol
	// Observe makes the configuration of an entry of `observe`; nil: there is no such key.
	Observe func() drivers.SeriesConfig
	// RequestID returns what is wrong with the text of a place where a request on a link carries its identity; nil: it is not looked at.
	RequestID func(text string) error
	// Faults: each key belongs to one kind alone and identifies it: link, pause, kill.
	Faults map[string]func() faults.Config
	// Metrics are the tables of the metrics that gates can name, one for each measurement that every run makes.
	Metrics [][]metric.Metric
	// Checks are checks beyond those, each with its own metrics.
	Checks []metric.Check
}

// Catalogue holds the metrics of the language: those of its tables, and those of its checks.
func (l *Language) Catalogue() (*metric.Catalogue, error) {
	tables := l.Metrics[:len(l.Metrics):len(l.Metrics)]
	for _, c := range l.Checks {
		tables = append(tables, c.Metrics)
	}
	return metric.New(tables...)
}

// driversWith lists the drivers whose unconfigured description satisfies has, sorted.
func (l *Language) driversWith(has func(drivers.Description) bool) []string {
	var names []string
	for _, name := range sortedKeys(l.Drivers) {
		if has(l.Drivers[name]().Describe()) {
			names = append(names, name)
		}
	}
	return names
}

// statusPrefixes are the possible prefixes of a status in a code of a stream: those of all drivers where the stream's own lists no codes.
func (l *Language) statusPrefixes(s *Stream) []string {
	var all []string
	switch d := s.Describe(); {
	case d.StatusPrefix != "":
		return []string{d.StatusPrefix}
	case d.Codes != nil:
		return nil
	}
	for _, name := range sortedKeys(l.Drivers) {
		if open := l.Drivers[name]; open != nil {
			if p := open().Describe().StatusPrefix; p != "" && !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all
}
