package sections

import (
	"slices"
	"strings"

	"wringer/reports"
)

// label is how a count of the record is called in reports.
type label struct {
	name, short string
	rank        Rank
}

// labels are the counts by their names in the record. A count that is not listed is called by its name, with spaces.
var labels = map[string]label{
	"lost":                {rank: Vital},
	"log_duplicates":      {name: "log duplicates", short: "dup", rank: Vital},
	"effect_duplicates":   {name: "effect duplicates", short: "dup", rank: Vital},
	"order_violations":    {name: "order violations", short: "order", rank: Vital},
	"attempts_sent":       {name: "attempts sent", rank: Vital},
	"arrivals":            {rank: Vital},
	"not_arrived":         {name: "not arrived", rank: Vital},
	"arrived_cut":         {name: "cut short", rank: Vital},
	"answered":            {rank: Vital},
	"arrived_operations":  {name: "operations arrived", rank: Vital},
	"arrived_twice":       {name: "arrived twice", rank: Vital},
	"max_arrivals":        {name: "most arrivals of one operation", short: "most arrivals", rank: Vital},
	"hidden_arrivals":     {name: "hidden arrivals", rank: Vital},
	"records":             {rank: Vital},
	"processed":           {rank: Vital},
	"unprocessed":         {name: "not processed", rank: Vital},
	"group_lost":          {name: "lost to the group", rank: Vital},
	"redelivered_records": {name: "redelivered records", rank: Vital},
	"rebalances":          {rank: Vital},
	"joins":               {rank: Vital},
	"leaves":              {rank: Vital},
	"freezes":             {rank: Vital},
	"deaths":              {rank: Vital},
	"extra_copies":        {name: "extra copies", rank: Full},
	"max_copies":          {name: "most copies of one operation", short: "most copies", rank: Full},
	"ack_collisions":      {name: "acknowledgement collisions", rank: Full},
}

// column is the column of a count of the record.
func column(count string) Column {
	l, known := labels[count]
	if !known {
		l.rank = Full
	}
	if l.name == "" {
		l.name = strings.ReplaceAll(count, "_", " ")
	}
	return Column{Name: l.name, Short: l.short, Kind: Count, Rank: l.rank}
}

// columns are those of counts, all of the same rank.
func columns(rank Rank, counts ...string) []Column {
	var all []Column
	for _, name := range counts {
		c := column(name)
		c.Rank = rank
		all = append(all, c)
	}
	return all
}

// defects lists the counts of the record that are a defect above 0, and no mere reading.
func defects() []string { return append(reports.Anomalies(), reports.ProbeAnomalies()...) }

// defect says whether a count of the record is one of them.
func defect(count string) bool { return slices.Contains(defects(), count) }
