package drivers

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// counters are the places that arithmetic takes: {{seq + 1000}}, {{seq % 10 * 2}}.
var counters = map[string]func(env *Env, op *Op) int64{
	"seq":     func(_ *Env, op *Op) int64 { return int64(op.Seq) },
	"keyseq":  func(_ *Env, op *Op) int64 { return int64(op.KeySeq) },
	"message": func(_ *Env, op *Op) int64 { return int64(op.Message) },
	"unix_ms": func(env *Env, op *Op) int64 { return env.Epoch().Add(op.Planned).UnixMilli() },
}

var arithmetic = map[string]func(a, b int64) int64{
	"+": func(a, b int64) int64 { return a + b },
	"-": func(a, b int64) int64 { return a - b },
	"*": func(a, b int64) int64 { return a * b },
	"/": func(a, b int64) int64 { return a / b },
	"%": func(a, b int64) int64 { return a % b },
}

// compileArithmetic compiles what stands behind a counter: signs and whole numbers in turn, taken from left to right.
func compileArithmetic(name string, args []string) (Place, error) {
	form := errors.New("write whole numbers behind + - * / %, with blanks, as in {{seq % 10 + 1}}")
	if len(args)%2 != 0 {
		return nil, form
	}
	type step struct {
		of func(a, b int64) int64
		by int64
	}
	var steps []step
	for pair := range slices.Chunk(args, 2) {
		of, by, err := arithmetic[pair[0]], int64(0), error(nil)
		if by, err = strconv.ParseInt(pair[1], 10, 64); of == nil || err != nil {
			return nil, fmt.Errorf("%s %s: %w", pair[0], pair[1], form)
		}
		if by == 0 && (pair[0] == "/" || pair[0] == "%") {
			return nil, fmt.Errorf("%s 0 has no value", pair[0])
		}
		steps = append(steps, step{of, by})
	}
	from := counters[name]
	return func(dst []byte, env *Env, op *Op, _ uint64) []byte {
		v := from(env, op)
		for i := range steps {
			v = steps[i].of(v, steps[i].by)
		}
		return strconv.AppendInt(dst, v, 10)
	}, nil
}
