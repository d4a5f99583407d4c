package recordtest

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"wringer/reports"
)

// schema makes the JSON Schema of everything that run.json can hold, from the types of package reports and the comments in its
// source. The working directory must be this package's source.
func schema() ([]byte, error) {
	r := &jsonschema.Reflector{Anonymous: true}
	if err := r.AddGoComments("wringer/reports/recordtest", "..", jsonschema.WithFullComment()); err != nil {
		return nil, err
	}
	for name, text := range r.CommentMap {
		r.CommentMap[name] = strings.Join(strings.Fields(text), " ")
	}
	root := r.Reflect(&reports.Run{})
	nullable(root.Definitions, map[reflect.Type]bool{}, reflect.TypeFor[reports.Run]())
	root.Title = reports.Schema + ": all that run.json can hold"
	root.Description = "What other programs may rely on is the part of it in contract.schema.json; the rest may change."
	out, err := json.MarshalIndent(root, "", "  ")
	return append(out, '\n'), err
}

// nullable lets the pointers of a type, and of the types within it, be null, unless the field is left out when empty.
func nullable(all jsonschema.Definitions, seen map[reflect.Type]bool, t reflect.Type) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		nullable(all, seen, t.Elem())
		return
	case reflect.Struct:
	default:
		return
	}
	if seen[t] {
		return
	}
	seen[t] = true
	for _, f := range reflect.VisibleFields(t) {
		nullable(all, seen, f.Type)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if d := all[t.Name()]; d != nil && f.Type.Kind() == reflect.Pointer && !strings.Contains(options, "omitempty") {
			if p, ok := d.Properties.Get(name); ok {
				or := *p
				or.Description = ""
				d.Properties.Set(name, &jsonschema.Schema{Description: p.Description, AnyOf: []*jsonschema.Schema{&or, {Type: "null"}}})
			}
		}
	}
}
