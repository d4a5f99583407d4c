package drivers

import (
	"strings"
	"testing"
	"time"
)

func TestEncoders(t *testing.T) {
	at := time.Date(2030, 1, 31, 23, 4, 5, 0, time.UTC)
	env := &Env{Identity: Identity{Run: "r", Stream: "s"}, Epoch: func() time.Time { return at }}
	feed := Dialect{Lookup: func(name string) Place {
		if name != "data.x" {
			return nil
		}
		return func(dst []byte, _ *Env, _ *Op, _ uint64) []byte { return append(dst, "Straße?>"...) }
	}}
	for text, want := range map[string]string{
		"a{{base64 data.x}}b":              "aU3RyYcOfZT8+b",
		"{{base64url data.x}}":             "U3RyYcOfZT8-",
		"{{hex seq}}-{{seq}}":              "37-7",
		"{{sha256 seq}}":                   "7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451",
		"{{upper data.x}}|{{upper id}}":    "STRASSE?>|" + strings.ToUpper(string(env.Identity.Append(nil, 7))),
		"{{base64 hex seq}}":               "Mzc=",
		"{{text seq}}":                     "7",
		"{{seq + 1000}},{{seq % 4 * 2}}":   "1007,6",
		"{{seq - 10 / 2}} {{hex seq + 1}}": "-1 38",
		"{{now %Y-%m-%d %H:%M:%S}}":        "2030-01-31 23:04:05",
		"{{now %a, %d %b %Y}}":             "Thu, 31 Jan 2030",
		strings.Repeat("{{hex seq}}", 40):  strings.Repeat("37", 40),
	} {
		c, err := feed.Compile(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		want = strings.ReplaceAll(want, "STRASSE", strings.ToUpper("Straße"))
		if got := string(c.Append(nil, env, &Op{Seq: 7})); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"{{seq +}}": "write whole numbers", "{{seq + x}}": "+ x: write whole numbers", "{{seq / 0}}": "/ 0 has no value", "{{seq ^ 2}}": "^ 2: write", "{{id + 1}}": "takes no arguments",
		"{{base64}}": "takes a place", "{{base64 nothing}}": "unknown name", "{{upper choice a b}}": "takes no choice", "{{now}}": "takes a format",
		"{{now %Q}}": "%Q", "{{now 2006}}": "no digits", "{{hex id id}}": "takes no arguments",
	} {
		if _, err := feed.Compile(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	c, err := CompileTemplate("{{base64 id}} {{sha256 id}} {{upper id}} {{now %Y}}")
	if err != nil {
		t.Fatal(err)
	}
	room := make([]byte, 0, 1024)
	op := &Op{Seq: 7}
	if n := testing.AllocsPerRun(100, func() { room = c.Append(room[:0], env, op) }); n > 0 {
		t.Errorf("rendering allocates %g times", n)
	}
}
