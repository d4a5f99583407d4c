package main

import (
	"context"
	"encoding/json"
	"io"

	"wringer/drivers"
	"wringer/drivers/amqp"
	"wringer/drivers/endpoint"
	"wringer/drivers/grpc"
	"wringer/drivers/kafka"
	"wringer/drivers/logfile"
	"wringer/drivers/rest"
	"wringer/drivers/scrape"
	"wringer/drivers/sql"
	"wringer/drivers/webhook"
	"wringer/drivers/witness"
	"wringer/faults"
	"wringer/faults/amqplink"
	"wringer/faults/command"
	"wringer/faults/container"
	"wringer/faults/container/netcut"
	"wringer/faults/container/pressure"
	"wringer/faults/httplink"
	"wringer/faults/kafkalink"
	"wringer/faults/part"
	"wringer/faults/process"
	"wringer/faults/toxi"
	"wringer/faults/toxiproxy"
	"wringer/reports"
	"wringer/reports/annotations"
	"wringer/reports/arrivals"
	"wringer/reports/effects"
	"wringer/reports/groups"
	"wringer/reports/html"
	"wringer/reports/integrity"
	"wringer/reports/junit"
	"wringer/reports/markdown"
	"wringer/reports/metric"
	"wringer/reports/metrics"
	"wringer/reports/recovery"
	"wringer/reports/replays"
	"wringer/reports/requests"
	"wringer/reports/saga"
	"wringer/reports/series"
	"wringer/reports/timeline"
	"wringer/scenarios"
	"wringer/scenarios/capacity/null"
	"wringer/scenarios/containers"
	"wringer/scenarios/processes"
	"wringer/scenarios/shop"
)

// language holds everything that a scenario may name. A new driver, kind of effect, target, fault, protocol of a link, table of
// metrics or check is one line here.
var language = scenarios.Language{
	Drivers: map[string]func() drivers.Config{
		"rest":  func() drivers.Config { return new(rest.Config) },
		"grpc":  func() drivers.Config { return new(grpc.Config) },
		"kafka": func() drivers.Config { return new(kafka.Config) },
		"amqp":  func() drivers.Config { return new(amqp.Config) },
	},
	Effects: map[string]func() drivers.SourceConfig{
		"kafka":   func() drivers.SourceConfig { return new(kafka.Effect) },
		"sql":     func() drivers.SourceConfig { return new(sql.Config) },
		"webhook": func() drivers.SourceConfig { return new(webhook.Config) },
		"http":    func() drivers.SourceConfig { return new(endpoint.Config) },
		"grpc":    func() drivers.SourceConfig { return new(grpc.Effect) },
		"file":    func() drivers.SourceConfig { return new(logfile.Config) },
		"amqp":    func() drivers.SourceConfig { return new(amqp.Effect) },
		"witness": func() drivers.SourceConfig { return new(witness.Effect) },
	},
	Consume: map[string]func() drivers.SourceConfig{
		"kafka": func() drivers.SourceConfig { return new(kafka.Consume) },
		"amqp":  func() drivers.SourceConfig { return new(amqp.Consume) },
	},
	Targets: map[string]func() scenarios.TargetConfig{
		"shop":       func() scenarios.TargetConfig { return new(shop.Config) },
		"processes":  func() scenarios.TargetConfig { return new(processes.Config) },
		"containers": func() scenarios.TargetConfig { return new(containers.Config) },
		"compose":    func() scenarios.TargetConfig { return new(containers.Compose) },
	},
	Links: map[string]func() faults.Protocol{
		"kafka": func() faults.Protocol { return new(kafkalink.Config) },
	},
	Faults: map[string]func() faults.Config{
		"link":       func() faults.Config { return new(toxi.Config) },
		"toxiproxy":  func() faults.Config { return new(toxiproxy.Config) },
		"kafka":      func() faults.Config { return new(kafkalink.FaultConfig) },
		"amqp":       func() faults.Config { return new(amqplink.Config) },
		"http":       func() faults.Config { return new(httplink.Config) },
		"pause":      func() faults.Config { return new(part.Config) },
		"kill":       func() faults.Config { return new(part.Config) },
		"restart":    func() faults.Config { return new(part.Config) },
		"cpu":        func() faults.Config { return new(part.Config) },
		"files":      func() faults.Config { return new(part.Config) },
		"exec":       func() faults.Config { return new(command.Config) },
		"partition":  func() faults.Config { return new(netcut.Partition) },
		"disconnect": func() faults.Config { return new(netcut.Disconnect) },
		"limit":      func() faults.Config { return new(pressure.Limit) },
		"fill":       func() faults.Config { return new(pressure.Fill) },
	},
	Metrics: [][]metric.Metric{
		metrics.Metrics,
		integrity.Metrics,
		effects.Metrics,
		integrity.PlaceMetrics,
		effects.PlaceMetrics,
		saga.Metrics,
		arrivals.Metrics,
		replays.Metrics,
		groups.Metrics,
		recovery.Metrics,
		metrics.MessageMetrics,
		requests.Metrics,
		series.Metrics,
	},
	Observe:   func() drivers.SeriesConfig { return new(scrape.Config) },
	RequestID: witness.CheckPlace,
	Checks:    []metric.Check{},
}

// schemes are the protocols of `wringer load`. A new one is one line here.
var schemes = []scheme{
	{key: "rest", names: []string{"http", "https"}, instead: "targets", flags: func() schemeFlags { return new(httpFlags) }},
	{key: "grpc", names: []string{"grpc", "grpcs"}, flags: func() schemeFlags { return new(grpcFlags) }},
	{key: "kafka", names: []string{"kafka"}, flags: func() schemeFlags { return new(kafkaFlags) }},
	{key: "amqp", names: []string{"amqp", "amqps"}, flags: func() schemeFlags { return new(amqpFlags) }},
}

// nulls make the targets that do nothing, by the driver that the load generator is measured with, for the configurations of its streams.
// They speak TLS to clients that do.
var nulls = map[string]func(authority *null.Authority, all []drivers.Config) (*null.Target, error){
	"rest":  func(a *null.Authority, _ []drivers.Config) (*null.Target, error) { return null.HTTP(a) },
	"grpc":  func(a *null.Authority, _ []drivers.Config) (*null.Target, error) { return null.HTTP(a) },
	"kafka": nullKafka,
	"amqp":  func(a *null.Authority, _ []drivers.Config) (*null.Target, error) { return null.AMQP(a) },
}

// undoers undo the entries in the journal of a killed run, by the kind of the entry.
var undoers = map[string]func(context.Context, json.RawMessage) error{
	amqp.UndoKind:             amqp.Undo,
	command.UndoKind:          command.Undo,
	process.UndoKind:          process.Undo,
	container.UndoKind:        container.Undo,
	toxiproxy.UndoKind:        toxiproxy.Undo,
	container.ExecUndoKind:    container.UndoExec,
	netcut.PartitionUndoKind:  netcut.UndoPartition,
	netcut.DisconnectUndoKind: netcut.UndoDisconnect,
	pressure.LimitUndoKind:    pressure.UndoLimit,
	pressure.FillUndoKind:     pressure.UndoFill,
}

// format is one rendering of a record.
type format struct {
	name   string // of the flag
	about  string
	render func(w io.Writer, rec *reports.Record) error
	// all renders several records into one file; nil: the format takes one.
	all func(w io.Writer, records []*reports.Record) error
}

// formats are the report formats, by their flags. A new one is one line here.
var formats = []format{
	{"html", "the report as one HTML file", html.Render, nil},
	{"junit", "the gates as JUnit XML", junit.Render, junit.RenderAll},
	{"summary", "the summary as Markdown", markdown.Render, markdown.RenderAll},
	{"json", "the record as JSON", reports.WriteJSON, reports.WriteAllJSON},
	{"timeline", "the timeline as a small SVG", timeline.Render, nil},
	{"annotations", "what did not pass as annotations of GitHub Actions", annotations.Render, annotations.RenderAll},
}
