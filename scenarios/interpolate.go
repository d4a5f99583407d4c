package scenarios

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// variables gives ${name} its value. --set names and ${env.NAME} are known while the scenario is read. The target's names are
// known only once it runs: they stay in the text until Resolve.
type variables struct {
	set map[string]string
	// given are those of set that do not come from the file.
	given map[string]string
	env   func(string) (string, bool)
	// late are the target's names, with the target's key in front. anyLate: the target itself could not be read, so any name
	// may be one of them.
	late    []string
	anyLate bool

	used    map[string]bool   // --set names that occurred
	secrets map[string]string // ${env.NAME} by name
	hidden  []string          // texts of configurations that no record may hold
}

// piece is literal text, or a variable that is known later.
type piece struct {
	text string
	late bool
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_>-]+)*$`)

// split cuts text into literal pieces, values filled in, and late variables. $${ is a literal ${. A filled-in value is not
// searched for variables. Each error names one place.
func (v *variables) split(text string) (pieces []piece, errs []error) {
	literal := func(s string) {
		if n := len(pieces); n > 0 && !pieces[n-1].late {
			pieces[n-1].text += s
		} else if s != "" {
			pieces = append(pieces, piece{text: s})
		}
	}
	for {
		before, after, found := strings.Cut(text, "${")
		if !found {
			literal(text)
			return pieces, errs
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			literal(escaped + "${")
			text = after
			continue
		}
		literal(before)
		name, rest, closed := strings.Cut(after, "}")
		if !closed {
			return pieces, append(errs, fmt.Errorf("${ without }: write ${name}, or $${ for the sign itself"))
		}
		value, late, err := v.value(name)
		switch {
		case err != nil:
			errs = append(errs, err)
		case late:
			pieces = append(pieces, piece{name, true})
		default:
			literal(value)
		}
		text = rest
	}
}

// value looks a variable up.
func (v *variables) value(name string) (value string, late bool, err error) {
	if !variableName.MatchString(name) {
		return "", false, fmt.Errorf("${%s} is no variable: write ${name}, ${env.NAME}, or $${ for the sign itself", clip(name))
	}
	if env, ok := strings.CutPrefix(name, "env."); ok {
		if v.env != nil {
			if value, ok := v.env(env); ok {
				v.secrets[env] = value
				return value, false, nil
			}
		}
		return "", false, fmt.Errorf("the environment variable %s is not set", env)
	}
	if value, ok := v.set[name]; ok {
		v.used[name] = true
		return value, false, nil
	}
	if slices.Contains(v.late, name) || v.anyLate && strings.Contains(name, ".") {
		return "", true, nil
	}
	return "", false, v.unknown(name)
}

func (v *variables) unknown(name string) error {
	known := append(slices.Collect(maps.Keys(v.set)), v.late...)
	slices.Sort(known)
	text := fmt.Sprintf("${%s} is not known: give it with --set %s=VALUE", name, name)
	if near := nearest(name, known); near != "" {
		text += ", or did you mean ${" + near + "}?"
	}
	if len(known) > 0 {
		text += " (known: " + strings.Join(known, ", ") + ")"
	}
	return fmt.Errorf("%s", text)
}

func clip(s string) string {
	q := quote(s)
	return q[1 : len(q)-1]
}

// The dollar variable is how encoded text holds a $ that would otherwise begin a variable.
const dollar = "${$}"

// encode joins pieces into text for fill. It leaves the late variables readable, because Config.Check reads the text.
func encode(pieces []piece) string {
	var b strings.Builder
	for i, p := range pieces {
		if p.late {
			b.WriteString("${" + p.text + "}")
			continue
		}
		text := strings.ReplaceAll(p.text, "${", dollar+"{")
		if before, ok := strings.CutSuffix(text, "$"); ok && i+1 < len(pieces) {
			text = before + dollar
		}
		b.WriteString(text)
	}
	return b.String()
}

// plain joins pieces without late variables.
func plain(pieces []piece) string {
	if len(pieces) == 0 {
		return ""
	}
	return pieces[0].text
}

// Fill puts the values of variables, named as in ${shop.rest}, into a text of a configuration.
func Fill(text string, vars map[string]string) (string, error) { return fill(text, vars) }

// fill puts values into encoded text.
func fill(text string, vars map[string]string) (string, error) {
	if !strings.Contains(text, "${") {
		return text, nil
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, rest, closed := strings.Cut(after, "}")
		value, known := vars[name]
		switch {
		case !closed:
			return "", fmt.Errorf("${ without }")
		case name == "$":
			b.WriteString("$")
		case !known:
			names := slices.Sorted(maps.Keys(vars))
			return "", fmt.Errorf("${%s} is not known; known: %s", clip(name), strings.Join(names, ", "))
		default:
			b.WriteString(value)
		}
		text = rest
	}
}

// shortestSecret is the length from which a value counts as a secret. Hiding shorter values would mangle figures and words, and
// would hide nothing. Warnings reports them.
const shortestSecret = 4

// Redact replaces every value that came from ${env.NAME} by ${env.NAME}, also in a form escaped for a URL, JSON or Go. It is
// for texts that may quote the system under test, before they are written anywhere. It is safe for concurrent use.
func (s *Scenario) Redact(text string) string {
	if s.redactor == nil {
		return text
	}
	return s.redactor.Replace(text)
}

// newRedactor replaces the longest secrets first. So a secret inside another does not leave the rest of the longer one
// readable. Literal secrets have no name, and give way to a word.
func newRedactor(secrets map[string]string, literals []string) *strings.Replacer {
	type pair struct{ value, name string }
	var pairs []pair
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		value := secrets[name]
		if len(value) < shortestSecret {
			continue
		}
		for _, form := range []string{value, strings.TrimSpace(value), url.QueryEscape(value), url.PathEscape(value), inner(value), clipQuotes(fmt.Sprintf("%q", value))} {
			pairs = append(pairs, pair{form, "${env." + name + "}"})
		}
	}
	for _, text := range literals {
		pairs = append(pairs, pair{text, concealed(text)}, pair{inner(text), concealed(text)})
	}
	if len(pairs) == 0 {
		return nil
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return len(b.value) - len(a.value) })
	var words []string
	for _, p := range pairs {
		words = append(words, p.value, p.name)
	}
	return strings.NewReplacer(words...)
}

// concealed stands in records for a secret that the scenario holds in its text. What stands around it in a URL stays.
func concealed(text string) string {
	word := "hidden"
	if strings.HasPrefix(text, ":") {
		word = ":" + word
	}
	if strings.HasSuffix(text, "@") {
		word += "@"
	}
	return word
}

// inner is value in its form inside a JSON string.
func inner(value string) string {
	raw, err := json.Marshal(value)
	if err != nil {
		return value
	}
	return clipQuotes(string(raw))
}

func clipQuotes(s string) string { return strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`) }
