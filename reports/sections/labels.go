package sections

import (
	"strings"

	"wringer/reports"
)

// label is the name of a record's count in reports.
type label struct {
	name, short string
	vital       bool // one of the counts of integrity
}

// labels are the labels of counts, by the counts' names in the record. The label of any other count is its name with spaces.
var labels = map[string]label{
	"lost":               {name: "lost", vital: true},
	"log_duplicates":     {name: "log duplicates", short: "dup", vital: true},
	"effect_duplicates":  {name: "effect duplicates", short: "dup", vital: true},
	"order_violations":   {name: "order violations", short: "order", vital: true},
	"max_copies":         {name: "most copies of one operation", short: "most copies"},
	"ack_collisions":     {name: "acknowledgement collisions"},
	"arrived_cut":        {name: "cut short"},
	"max_arrivals":       {name: "most arrivals of one operation", short: "most arrivals"},
	"arrived_operations": {name: "operations arrived"},
	"unprocessed":        {name: "not processed"},
	"group_lost":         {name: "lost to the group"},
}

// column is the column of a count of the record.
func column(count string) Column {
	l, known := labels[count]
	if !known {
		l.name = strings.ReplaceAll(count, "_", " ")
	}
	c := Column{Name: l.name, Short: l.short, Kind: Count, Rank: Full}
	if l.vital {
		c.Rank = Vital
	}
	return c
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
func defects(run *reports.Run) []string {
	var names []string
	for _, d := range run.Described() {
		if d.Anomaly {
			names = append(names, d.Name)
		}
	}
	return names
}
