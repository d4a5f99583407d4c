package drivers

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func feed(t *testing.T, name, content, order string) (*Feed, error) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return Data{File: name, Order: order}.Open(folder, 7)
}

func TestFeed(t *testing.T) {
	for name, content := range map[string]string{
		"users.csv":    "\ufeffname, age\nann,31\n\"b \"\"o\"\"\nb\",\n",
		"users.jsonl":  `{"name":"ann","age":31}` + "\n\n" + `{"age":"","name":"b \"o\"\nb","more":1}`,
		"users.ndjson": `{"name":"ann","age":31}` + "\r\n" + `{"age":"","name":"b \"o\"\nb"}` + "\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			f, err := feed(t, name, content, "")
			if err != nil {
				t.Fatal(err)
			}
			text, err := Dialect{Lookup: f.Place, Names: f.Places()}.Compile("{{data.name}}/{{data.age}}")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for seq := range uint64(3) {
				got = append(got, text.Render(&Env{}, &Op{Seq: seq}))
			}
			if want := []string{"ann/31", "b \"o\"\nb/", "ann/31"}; !slices.Equal(got, want) {
				t.Errorf("%q", got)
			}
			if _, err := (Dialect{Lookup: f.Place, Names: f.Places()}).Compile("{{data.nme}}"); err == nil || !strings.Contains(err.Error(), "data.age, data.name") {
				t.Errorf("a column that does not exist: %v", err)
			}
		})
	}
}

func TestFeedFilesAtFault(t *testing.T) {
	for _, test := range []struct{ name, content, want string }{
		{"empty.csv", "", "names the columns"},
		{"head.csv", "a,b\n", "has no rows"},
		{"ragged.csv", "a,b\n1,2\n3\n", "line 3"},
		{"twice.csv", "a,a\n1,2\n", "two columns"},
		{"blank.csv", "a b\n1\n", "no blanks"},
		{"garbage.jsonl", "{\"a\":1}\nx\n", "line 2"},
		{"missing.jsonl", "{\"a\":1}\n{\"b\":1}\n", `line 2 has no "a"`},
		{"list.jsonl", "[1]\n", "line 1"},
		{"none.jsonl", "{}\n", "no columns"},
		{"empty.jsonl", "\n", "has no rows"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := feed(t, test.name, test.content, ""); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v", err)
			}
		})
	}
	if _, err := (Data{File: "absent.csv"}).Open(t.TempDir(), 1); err == nil {
		t.Error("an absent file was read")
	}
}

// For any seed and length a pass visits each row once. Two passes may differ.
func TestPermuteVisitsEachOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 300).Draw(t, "n")
		seed := rapid.Uint64().Draw(t, "seed")
		seen := make(map[uint64]bool)
		for i := range n {
			to := permute(seed, i, n)
			if to >= n || seen[to] {
				t.Fatalf("%d goes to %d of %d", i, to, n)
			}
			seen[to] = true
		}
	})
}

func TestFeedOrders(t *testing.T) {
	content := "n\n" + strings.Repeat("x\n", 100)
	for _, order := range []string{"shuffled", "random"} {
		f, err := feed(t, "n.csv", content, order)
		if err != nil {
			t.Fatal(err)
		}
		var first, second []uint64
		for seq := range uint64(100) {
			first, second = append(first, f.row(seq)), append(second, f.row(seq+100))
		}
		if slices.Equal(first, second) || slices.IsSorted(first) {
			t.Errorf("%s: passes of %v and %v", order, first, second)
		}
		if again := f.row(42); first[42] != again {
			t.Errorf("%s: an operation's row changes", order)
		}
	}
}
