package scenarios

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/invopop/jsonschema"

	"wringer/drivers"
)

// Schema describes the language to editors, as a JSON Schema (2020-12). Every text that Parse accepts is valid for it. It
// cannot see the errors that Parse finds beyond the shape: streams that do not exist, times beyond the run. The same language
// gives the same bytes.
func Schema(lang Language) ([]byte, error) {
	w := &schemaWriter{defs: values()}
	w.defs["target"] = w.choice("The target to start before the run.", tableOf(w, "target", lang.Targets))
	w.defs["effects"] = w.places(lang)
	w.defs["consume"] = w.consume(tableOf(w, "consume", lang.Consume))
	w.defs["stream"] = w.stream(tableOf(w, "driver", lang.Drivers))
	w.defs["link"] = w.link(tableOf(w, "link", lang.Links))
	w.defs["observe"] = w.observe(lang)
	w.defs["fault"] = w.fault(lang)
	w.defs["phase"] = w.reflect(reflect.TypeFor[Phase]())
	w.defs["phase"].Description = "A span of the run that gates can name."
	root := w.reflect(reflect.TypeFor[Scenario]())
	root.Version = jsonschema.Version
	root.Title = "A scenario"
	root.Description = "One run: the traffic to send, the faults to inject meanwhile, and the expectations."
	root.Definitions = w.defs
	out, err := json.MarshalIndent(root, "", "  ")
	return append(out, '\n'), err
}

// schemaWriter gathers the definitions of one schema.
type schemaWriter struct{ defs jsonschema.Definitions }

func ref(name string) *jsonschema.Schema { return &jsonschema.Schema{Ref: "#/$defs/" + name} }

// variable is the alternative for every scalar: text with a variable in it.
const variable = `\$\{`

// text is a scalar with a text form of its own.
func text(description, pattern string, examples ...any) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Description: description, Pattern: pattern + "|" + variable, Examples: examples}
}

// orVariable is a scalar that is no text, or a variable in its place.
func orVariable(s *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, {Type: "string", Pattern: variable}}}
}

const (
	durationPattern = `^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*$`
	numberPattern   = `[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?`
)

// values are the forms of scalars.
func values() jsonschema.Definitions {
	perSecond := `^\s*` + numberPattern + `\s*/\s*[smh]\s*$`
	return jsonschema.Definitions{
		"text":       {Extras: map[string]any{"type": []string{"string", "number", "boolean"}}},
		"duration":   text("A duration: 500ms, 5s, 2m.", durationPattern, "500ms", "5s", "2m"),
		"per_second": text("A rate: 400/s, 24000/m.", perSecond, "400/s", "24000/m"),
		"share": {AnyOf: []*jsonschema.Schema{
			text("A share: 10% or 0.1.", `^\s*`+numberPattern+`\s*%?\s*$`, "10%"),
			{Type: "number", Minimum: "0"},
		}},
		"bytes": {AnyOf: []*jsonschema.Schema{
			text("An amount of bytes: 512, 10KiB, 1MiB, 1MB.", `^\s*`+numberPattern+`\s*([KMG]iB|[kKMG]B|B)?\s*$`, "10KiB", "1MiB"),
			{Type: "number", Minimum: "0"},
		}},
		"gate": gateSchema(`^\s*[a-z][a-z0-9_-]*(\([^)]*\))?(\.[a-z0-9_]+(\([^)]*\))?)+(\s*:\s*[a-z0-9_]+(\([^)]*\))?)?\s*(<|<=|>|>=|==|!=)\s*` +
			`([-+0-9.][^ ]*(\s*[x×*]\s+saved)?|saved)(\s*[-+]\s*[0-9.][^ ]*)?(\s+(%|[nuµμm]?s|[mh]|/[smh]))?(\s+(during|after|in) .*)?$`),
		"abort": text("STREAM.METRIC COMPARISON VALUE [for TIME]", `^\s*[a-z][a-z0-9_-]*\.[a-z0-9_.]+(\([^)]*\))?\s*(<|<=|>|>=|==|!=)\s*[-+0-9.][^ ]*(\s+for .*)?$`,
			"orders.errors > 50% for 5s"),
		"rate": rateSchema(perSecond),
	}
}

// gateSchema describes a gate: a text, or a threshold of k6, which YAML reads as a table of one key where it has no quotes.
func gateSchema(pattern string) *jsonschema.Schema {
	one := uint64(1)
	const about = "STREAM.METRIC COMPARISON VALUE [SCOPE]"
	return &jsonschema.Schema{Description: about, AnyOf: []*jsonschema.Schema{
		text(about, pattern, "orders.p99 < 250ms during baseline", "orders.errors < 1%", "orders.lost == 0"),
		{Type: "object", Description: "A threshold of k6 without quotes.", MinProperties: &one, MaxProperties: &one, AdditionalProperties: &jsonschema.Schema{Type: "string"}},
	}}
}

func rateSchema(perSecond string) *jsonschema.Schema {
	w := &schemaWriter{}
	shape := func(name, about string, of *jsonschema.Schema) *jsonschema.Schema {
		s := object()
		of.Description = about
		s.Properties.Set(name, of)
		s.Required = []string{name}
		return s
	}
	return &jsonschema.Schema{
		Description: "Arrivals a second: 400/s, max, or a shape.",
		AnyOf: []*jsonschema.Schema{
			text("A constant rate, or max: as fast as the target answers.", `^max$|`+perSecond, "400/s", "max"),
			shape("ramp", "A rate that grows or falls linearly, and then stays.", w.reflect(reflect.TypeFor[Ramp]())),
			shape("steps", "Rates one after the other. The last one stays.", &jsonschema.Schema{Type: "array", Items: w.reflect(reflect.TypeFor[Step]())}),
			shape("sine", "A rate that oscillates around a mean.", w.reflect(reflect.TypeFor[Sine]())),
			shape("poisson", "Arrivals at random times, with this mean.", ref("per_second")),
		},
	}
}

func object() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema}
}

// reflect describes a struct by its tags, as the decoder reads it.
func (w *schemaWriter) reflect(t reflect.Type) *jsonschema.Schema {
	r := jsonschema.Reflector{
		Anonymous: true, DoNotReference: true, RequiredFromJSONSchemaTags: true, FieldNameTag: "yaml",
		Mapper: func(of reflect.Type) *jsonschema.Schema {
			if of == t {
				return nil // the struct itself
			}
			return schemaOf(of)
		},
	}
	s := r.ReflectFromType(t)
	s.Version = ""
	loosen(s)
	return s
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// schemaOf describes the types that are not decoded by their kind.
func schemaOf(t reflect.Type) *jsonschema.Schema {
	switch t {
	case durationType:
		return ref("duration")
	case reflect.TypeFor[drivers.Ratio]():
		return ref("share")
	case reflect.TypeFor[drivers.Bytes]():
		return ref("bytes")
	case reflect.TypeFor[PerSecond]():
		return ref("per_second")
	case reflect.TypeFor[Rate]():
		return ref("rate")
	case reflect.TypeFor[Gate]():
		return ref("gate")
	case reflect.TypeFor[[]Abort]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{ref("abort"), {Type: "array", Items: ref("abort")}}}
	case reflect.TypeFor[Fault]():
		return ref("fault")
	case reflect.TypeFor[Trace]():
		w := &schemaWriter{}
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "boolean"}, w.reflect(t)}}
	case reflect.TypeFor[LinkWitness]():
		return linkWitnessSchema()
	case reflect.TypeFor[TargetConfig]():
		return ref("target")
	case reflect.TypeFor[[]Link]():
		one, most := uint64(1), uint64(MaxLinks)
		names := &jsonschema.Schema{Pattern: linkName.String()}
		return &jsonschema.Schema{Type: "object", PropertyNames: names, AdditionalProperties: ref("link"), MinProperties: &one, MaxProperties: &most}
	case reflect.TypeFor[[]Observed]():
		return observedSchema()
	case reflect.TypeFor[[]Phase]():
		one, most := uint64(1), uint64(MaxPhases)
		names := &jsonschema.Schema{Pattern: faultName.String()}
		return &jsonschema.Schema{Type: "object", PropertyNames: names, AdditionalProperties: ref("phase"), MinProperties: &one, MaxProperties: &most}
	case reflect.TypeFor[[]Stream]():
		one := uint64(1)
		most := uint64(MaxStreams)
		names := &jsonschema.Schema{Pattern: streamName.String()}
		return &jsonschema.Schema{Type: "object", PropertyNames: names, AdditionalProperties: ref("stream"), MinProperties: &one, MaxProperties: &most}
	}
	if t.Kind() != reflect.Interface && reflect.PointerTo(t).Implements(textUnmarshaler) {
		word := &jsonschema.Schema{Type: "string"}
		if tabular(t) {
			return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{word, (&schemaWriter{}).reflect(t)}}
		}
		if t.Kind() == reflect.Slice {
			return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{word, {Type: "array", Items: word}}}
		}
		return word
	}
	return nil
}

// loosen lets every scalar be a variable, and lets a text be written without quotes if it looks like a number.
func loosen(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	switch s.Type {
	case "string":
		if len(s.Enum) > 0 {
			s.AnyOf = orVariable(&jsonschema.Schema{Enum: s.Enum}).AnyOf
			s.Type, s.Enum = "", nil
		} else {
			s.Type, s.Ref = "", "#/$defs/text"
		}
	case "integer", "number", "boolean":
		bare := &jsonschema.Schema{Type: s.Type, Minimum: s.Minimum, Maximum: s.Maximum}
		s.AnyOf = orVariable(bare).AnyOf
		s.Type, s.Minimum, s.Maximum = "", "", ""
	case "object":
		for p := s.Properties.Oldest(); p != nil; p = p.Next() {
			loosen(p.Value)
		}
		if s.AdditionalProperties != jsonschema.FalseSchema {
			loosen(s.AdditionalProperties)
		}
	case "array":
		loosen(s.Items)
	}
}

// tableOf describes one table of the language: a definition for each key.
func tableOf[C any](w *schemaWriter, kind string, makers map[string]func() C) *jsonschema.Schema {
	s := object()
	for _, key := range sortedKeys(makers) {
		name := kind + "_" + key
		w.defs[name] = w.reflect(reflect.TypeOf(makers[key]()).Elem())
		property := ref(name)
		property.Description = fmt.Sprintf(abouts[kind], key)
		s.Properties.Set(key, property)
	}
	return s
}

// abouts say of a key of a table what it is, by the table's kind.
var abouts = map[string]string{
	"target": "The target %s, which starts with the run.", "driver": "The stream's operations, sent by %s.",
	"effects": "The place in %s where each operation must show up.", "consume": "The records of %s that the stream reads.",
	"link": "What the link speaks: %s.",
}

// described is a reference with a description of its own.
func described(name, about string) *jsonschema.Schema {
	s := ref(name)
	s.Description = about
	return s
}

// choice is a table with exactly one of its keys.
func (w *schemaWriter) choice(description string, s *jsonschema.Schema) *jsonschema.Schema {
	s.Description = description
	s.OneOf = eachRequired(s)
	return s
}

func eachRequired(s *jsonschema.Schema) []*jsonschema.Schema {
	var each []*jsonschema.Schema
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		each = append(each, &jsonschema.Schema{Required: []string{p.Key}})
	}
	return each
}

// places describes one place of effects, or a list of places with names.
func (w *schemaWriter) places(lang Language) *jsonschema.Schema {
	one := w.choice("The place where each operation must show up.", tableOf(w, "effects", lang.Effects))
	named := object()
	named.Description = "A place with a name, which gates call effect(NAME)."
	named.Properties.Set("name", &jsonschema.Schema{Type: "string", Description: "What gates call the place: effect(NAME).", Pattern: streamName.String()})
	for p := one.Properties.Oldest(); p != nil; p = p.Next() {
		named.Properties.Set(p.Key, p.Value)
	}
	named.Required, named.OneOf = []string{"name"}, one.OneOf
	least, most := uint64(1), uint64(MaxPlaces)
	return &jsonschema.Schema{
		Description: "The place where each operation must show up, or a list of places.",
		AnyOf:       []*jsonschema.Schema{one, {Type: "array", Items: named, MinItems: &least, MaxItems: &most}},
	}
}

// stream describes the keys of a stream, one driver and effects.
func (w *schemaWriter) stream(drivers *jsonschema.Schema) *jsonschema.Schema {
	s := w.reflect(reflect.TypeFor[Stream]())
	s.Description = "One flow of operations: its driver, its load, and the outcomes of answers."
	s.Properties.Set("consume", ref("consume"))
	load := []*jsonschema.Schema{{Required: []string{"rate"}}, {Required: []string{"users"}}}
	sends := &jsonschema.Schema{AllOf: []*jsonschema.Schema{{OneOf: eachRequired(drivers)}, {OneOf: load}}}
	s.OneOf = []*jsonschema.Schema{sends, {Required: []string{"consume"}}}
	for p := drivers.Properties.Oldest(); p != nil; p = p.Next() {
		s.Properties.Set(p.Key, p.Value)
	}
	s.Properties.Set("effects", described("effects", "Where each operation must show up, exactly once."))
	return s
}

// consume describes the one place to read from, and the expectations.
func (w *schemaWriter) consume(sources *jsonschema.Schema) *jsonschema.Schema {
	s := w.reflect(reflect.TypeFor[Consume]())
	s.Description = "Instead of a driver and a load: the stream sends nothing, and verifies records that others publish."
	s.OneOf = eachRequired(sources)
	for p := sources.Properties.Oldest(); p != nil; p = p.Next() {
		s.Properties.Set(p.Key, p.Value)
	}
	return s
}

// link describes a link by its addresses, or by its protocol, which has its own.
func (w *schemaWriter) link(protocols *jsonschema.Schema) *jsonschema.Schema {
	s := w.reflect(reflect.TypeFor[Link]())
	s.Description = "A path between the target and a service that it calls."
	s.OneOf = append(eachRequired(protocols), &jsonschema.Schema{Required: []string{"upstream"}}, &jsonschema.Schema{Required: []string{"ports"}})
	for p := protocols.Properties.Oldest(); p != nil; p = p.Next() {
		s.Properties.Set(p.Key, p.Value)
	}
	return s
}

// observe describes an entry of `observe`.
func (w *schemaWriter) observe(lang Language) *jsonschema.Schema {
	s := object()
	if lang.Observe != nil {
		s = w.reflect(reflect.TypeOf(lang.Observe()).Elem())
	}
	s.Description = "A place where the target says how it is: the URL of its own metrics, or of a Prometheus server."
	return s
}

// fault describes each kind of fault: its own keys beside those of every entry.
func (w *schemaWriter) fault(lang Language) *jsonschema.Schema {
	out := &jsonschema.Schema{Description: "One fault, with its times."}
	for _, key := range sortedKeys(lang.Faults) {
		s := w.entry("nemesis")
		own := w.reflect(reflect.TypeOf(lang.Faults[key]()).Elem())
		for p := own.Properties.Oldest(); p != nil; p = p.Next() {
			s.Properties.Set(p.Key, p.Value)
		}
		s.Required = append(s.Required, slices.DeleteFunc(own.Required, func(r string) bool { return r == key || r == "link" })...)
		_, onLink := own.Properties.Get("link")
		if key != "link" {
			s.Required = append(s.Required, key)
		}
		if onLink {
			s.AnyOf = []*jsonschema.Schema{{Required: []string{"link"}}, {Required: []string{"links"}}}
		} else {
			s.Properties.Delete("links")
			s.Properties.Delete("grudge")
		}
		w.defs["fault_"+key] = s
		out.AnyOf = append(out.AnyOf, ref("fault_"+key))
	}
	nemesis := w.entry("links", "grudge", "every", "times")
	nemesis.Required = append(nemesis.Required, "nemesis", "for")
	w.defs["fault_nemesis"] = nemesis
	out.AnyOf = append(out.AnyOf, ref("fault_nemesis"))
	return out
}

// entry describes the keys of every entry of `faults`, without some of them.
func (w *schemaWriter) entry(without ...string) *jsonschema.Schema {
	s := w.reflect(reflect.TypeFor[Entry]())
	for _, key := range without {
		s.Properties.Delete(key)
	}
	s.DependentRequired = map[string][]string{"at": {"for"}, "after": {"for"}, "delay": {"after"}, "times": {"every"}}
	return s
}
