package drivers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// quotedUpper stands in for the escapes of a JSON string.
func quotedUpper(dst []byte, from int) []byte {
	return append(dst[:from], strings.ToUpper(string(dst[from:]))...)
}

// Cells keep the types that the file gives them: each of its own in JSON lines, by column in CSV.
func TestFeedTypes(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string]string{
		"a.jsonl": `{"v":7.50,"w":"x"}` + "\n" + `{"v":"ab","w":"y"}` + "\n" + `{"v":null,"w":"z"}` + "\n" + `{"v":{"k":[1]},"w":""}`,
		"a.csv":   "v,w\n7.50,x\n-1e3,y\n0,z\n12,\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		data Data
		want []string
	}{
		{Data{File: "a.jsonl"}, []string{"7.50", `"AB"`, "null", `{"k":[1]}`}},
		{Data{File: "a.csv", Types: map[string]string{"v": "number", "w": "text"}}, []string{"7.50", "-1e3", "0", "12"}},
	} {
		f, err := test.data.Open(folder, 1)
		if err != nil {
			t.Fatal(err)
		}
		p := f.JSON("data.v", quotedUpper)
		if p == nil || f.JSON("data.w", quotedUpper) != nil || f.JSON("data.none", quotedUpper) != nil {
			t.Fatalf("%s: v %v, w %v", test.data.File, p != nil, f.JSON("data.w", quotedUpper) != nil)
		}
		var got []string
		for seq := range uint64(4) {
			got = append(got, string(p(nil, nil, &Op{Seq: seq}, 0)))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.data.File, got, test.want)
		}
	}
	for want, data := range map[string]Data{
		`line 2: column w: "x" is no number as JSON writes one`: {File: "a.csv", Types: map[string]string{"w": "number"}},
		`line 2: column v: "7.50" is neither true nor false`:    {File: "a.csv", Types: map[string]string{"v": "boolean"}},
		`line 2: column w: "x" is no JSON value`:                {File: "a.csv", Types: map[string]string{"w": "json"}},
		`there is no column "u"; the columns are v, w`:          {File: "a.csv", Types: map[string]string{"u": "number"}},
		`column v: "int" is no type`:                            {File: "a.csv", Types: map[string]string{"v": "int"}},
		`JSON lines have their own: take types away`:            {File: "a.jsonl", Types: map[string]string{"v": "number"}},
	} {
		if _, err := data.Open(folder, 1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
