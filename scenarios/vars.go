package scenarios

import (
	"maps"
	"slices"
)

// fileVariables reads vars and environments: the file's own values of ${name}. An environment's values replace those of vars, and --set
// replaces both.
func (r *reader) fileVariables(root *node, environment string) {
	if root.kind != table {
		return
	}
	values, chosen := make(map[string]string), make(map[string]string)
	r.values(root.get("vars"), "vars", values, nil)
	var names []string
	switch all := root.get("environments"); {
	case all == nil:
	case all.kind != table:
		r.problem(all, "environments: expects a table of environments by name, found %s", all.words())
	default:
		for _, f := range all.fields {
			names = append(names, f.key.text)
			own := make(map[string]string)
			if r.values(f.value, "environments."+f.key.text, own, values); f.key.text == environment {
				chosen = own
			}
		}
	}
	if environment != "" && !slices.Contains(names, environment) {
		r.problem(root, "--env %s: the scenario has no such environment; %s", quote(environment), choices(environment, names))
	}
	maps.Copy(values, chosen)
	maps.Copy(values, r.vars.given)
	r.vars.set = values
}

// values reads a table of texts by name into out. known are the names that may occur; nil: any.
func (r *reader) values(n *node, name string, out, known map[string]string) {
	if n == nil {
		return
	}
	if n.kind != table {
		r.problem(n, "%s: expects a table of values by name, found %s", name, n.words())
		return
	}
	for _, f := range n.fields {
		key := f.key.text
		if !variableName.MatchString(key) {
			r.problem(f.key, "%s: %s is no name of a variable: write letters, digits, - and _, a letter first", name, quote(key))
			continue
		}
		if _, ok := known[key]; known != nil && !ok {
			r.problem(f.key, "%s: %s has no default; give it one in vars, too", name, key)
		}
		if text, _, ok := r.text(f.value, name+"."+key, "a value"); ok {
			out[key] = text
		}
	}
}
