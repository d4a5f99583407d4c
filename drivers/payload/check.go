package payload

import (
	"errors"
	"maps"
	"slices"

	"wringer/drivers"
)

// CheckTemplates compiles every string of a value.
func CheckTemplates(v any) error {
	var problems []error
	switch v := v.(type) {
	case string:
		_, err := drivers.CompileTemplate(v)
		return err
	case []any:
		for _, e := range v {
			problems = append(problems, CheckTemplates(e))
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			problems = append(problems, CheckTemplates(v[key]))
		}
	}
	return errors.Join(problems...)
}
