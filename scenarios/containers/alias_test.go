package containers

import (
	"strings"
	"testing"
)

// A kept caller must know the link, in each of its containers. A container whose name begins alike is another's.
func TestLinksOfKeptCallers(t *testing.T) {
	knows := kept{hosts: map[string]string{"stock": "172.18.0.1"}}
	for name, test := range map[string]struct {
		adopted map[string]kept
		want    string // of the error; empty: the address
	}{
		"it knows":            {map[string]kept{"order": knows}, ""},
		"each of several":     {map[string]kept{"order-1": knows, "order-2": knows}, ""},
		"it does not":         {map[string]kept{"order": {}}, "order was made without this link"},
		"one of several":      {map[string]kept{"order-1": knows, "order-2": {}}, "order-2 was made without this link"},
		"another's name":      {map[string]kept{"order": {}, "order-api": knows}, "order was made without this link"},
		"only another's":      {map[string]kept{"order-api": knows}, "no kept container of order"},
		"another's, a number": {map[string]kept{"order": {}, "order-1": knows}, "order was made without this link"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &prepared{adopted: test.adopted}
			host, err := p.Alias(t.Context(), "order", "stock", []uint16{80})
			switch {
			case test.want == "" && (err != nil || host != "172.18.0.1"):
				t.Errorf("%q, %v", host, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%q, %v; want %q", host, err, test.want)
			}
		})
	}
}
