package scenarios

import (
	"reflect"
	"slices"

	"wringer/drivers"
	"wringer/faults"
)

// Resolve returns a copy of the scenario with the values of the target's variables, named as in ${shop.rest}. It fills them
// into every text of drivers, effects, what is observed, and those faults that take them; each then checks itself once more. The original stays
// unchanged. The error is a Problems. A scenario without a target is resolved from the start.
func (s *Scenario) Resolve(vars map[string]string) (*Scenario, error) {
	out := *s
	out.Traffic = slices.Clone(s.Traffic)
	out.resolved = true
	r := resolver{decoder{file: s.Path}, vars, s.resolved}
	for i := range out.Traffic {
		t := &out.Traffic[i]
		if t.Driver != nil {
			t.Driver = r.config(t.driverAt, t.Name+": "+t.DriverName, t.Driver).(drivers.Config)
			r.probes(t)
		}
		if t.Consume != nil && t.Consume.Source != nil {
			c := *t.Consume
			c.Source = r.config(c.at, t.Name+": consume."+c.SourceName, c.Source).(drivers.SourceConfig)
			t.Consume = &c
		}
		t.Places = slices.Clone(t.Places)
		for j := range t.Places {
			if p := &t.Places[j]; p.Source != nil {
				p.Source = r.config(p.at, t.Name+": "+p.Title(), p.Source).(drivers.SourceConfig)
			}
		}
	}
	out.Observe = slices.Clone(s.Observe)
	for i := range out.Observe {
		if o := &out.Observe[i]; o.Config != nil {
			o.Config = r.config(o.at, "observe."+o.Name, o.Config).(drivers.SeriesConfig)
		}
	}
	out.Faults = slices.Clone(s.Faults)
	for i := range out.Faults {
		if f := &out.Faults[i]; f.Config.Describe().Templated {
			f.Config = r.config(f.at, f.Name, f.Config).(faults.Config)
		}
	}
	if len(r.problems) > 0 {
		for i := range r.problems {
			r.problems[i].Message = s.Redact(r.problems[i].Message)
		}
		return nil, r.problems.tidy(s.Path)
	}
	return &out, nil
}

// resolver copies configurations and fills in the variables of their texts.
type resolver struct {
	decoder
	vars map[string]string
	done bool // nothing is left to fill in
}

// config copies and fills one configuration. n is its place, nil when it was not read from a file.
func (r *resolver) config(n *node, name string, c checker) checker {
	if n == nil {
		n = &node{}
	}
	before := len(r.problems)
	out := reflect.ValueOf(&c).Elem()
	r.fill(out, n, name)
	if !r.done && len(r.problems) == before {
		r.check(n, name, c)
	}
	return c
}

// fill replaces v by a deep copy of itself with its variables filled in. It copies unexported fields unchanged.
func (r *resolver) fill(v reflect.Value, n *node, name string) {
	switch v.Kind() {
	case reflect.String:
		if r.done {
			return
		}
		text, err := fill(v.String(), r.vars)
		if err != nil {
			r.problem(n, "%s: %v", name, err)
		}
		v.SetString(text)
	case reflect.Pointer:
		if !v.IsNil() {
			fresh := reflect.New(v.Type().Elem())
			fresh.Elem().Set(v.Elem())
			r.fill(fresh.Elem(), n, name)
			v.Set(fresh)
		}
	case reflect.Interface:
		if !v.IsNil() {
			fresh := reflect.New(v.Elem().Type()).Elem()
			fresh.Set(v.Elem())
			r.fill(fresh, n, name)
			v.Set(fresh)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() || f.Anonymous && f.Type.Kind() == reflect.Struct {
				r.fill(v.Field(i), n, name)
			}
		}
	case reflect.Slice:
		if !v.IsNil() {
			fresh := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(fresh, v)
			for i := range fresh.Len() {
				r.fill(fresh.Index(i), n, name)
			}
			v.Set(fresh)
		}
	case reflect.Map:
		if !v.IsNil() {
			r.fillMap(v, n, name)
		}
	}
}

func (r *resolver) fillMap(v reflect.Value, n *node, name string) {
	fresh := reflect.MakeMapWithSize(v.Type(), v.Len())
	for key, old := range v.Seq2() {
		value := reflect.New(v.Type().Elem()).Elem()
		value.Set(old)
		r.fill(value, n, name)
		fresh.SetMapIndex(key, value)
	}
	v.Set(fresh)
}
