package reports

import _ "embed"

//go:embed contract.schema.json
var contract string

// Contract is the JSON Schema of the fields of run.json on which other programs may rely.
func Contract() string { return contract }

//go:embed record.schema.json
var recordSchema string

// RecordSchema is the JSON Schema of everything that run.json can hold, the contract's part and the rest. It is generated from
// Run and its comments.
func RecordSchema() string { return recordSchema }
