package reports

import _ "embed"

//go:embed contract.schema.json
var contract string

// Contract is the JSON Schema of what other programs may rely on in run.json.
func Contract() string { return contract }

//go:embed record.schema.json
var recordSchema string

// RecordSchema is the JSON Schema of all that run.json can hold, the contract's part and the rest. It is made from Run and
// its comments.
func RecordSchema() string { return recordSchema }
