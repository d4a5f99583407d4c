package reports

import _ "embed"

//go:embed contract.schema.json
var contract string

// Contract is the JSON Schema of what other programs may rely on in run.json.
func Contract() string { return contract }
