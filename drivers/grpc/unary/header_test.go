package unary

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"
)

// The target decodes the intended fields for any order of calls and any table size that it announces.
func TestHeadersAsTheyAreRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{Scheme: "http", Authority: "host:1", Path: "/a.B/" + strings.Repeat("c", rapid.SampledFrom([]int{1, 2000, 3900, 5000}).Draw(t, "path"))}
		c := &conn{channel: &Channel{fields: o.shared()}, allowed: allowance{frame: 1000}}
		c.encoder = hpack.NewEncoder(&c.block)
		var wire bytes.Buffer
		read := http2.NewFramer(nil, &wire)
		decoder := hpack.NewDecoder(firstTable, nil)
		read.ReadMetaHeaders = decoder
		for n := range rapid.IntRange(1, 40).Draw(t, "calls") {
			x := newCall()
			x.id = uint32(2*n + 1)
			if left := rapid.SampledFrom([]time.Duration{0, time.Hour, 2 * time.Hour, time.Duration(n+3) * time.Hour}).Draw(t, "left"); left > 0 {
				x.deadline = time.Now().Add(left)
			}
			for i := range rapid.IntRange(0, 3).Draw(t, "own") {
				x.fields = append(x.fields, Field(fmt.Sprintf("own-%d", i), rapid.StringMatching(`[ -~]{0,30}`).Draw(t, "value")))
			}
			if rapid.IntRange(0, 9).Draw(t, "settings") == 0 {
				size := rapid.SampledFrom([]uint32{0, 100, 4096, 1 << 20}).Draw(t, "table")
				c.resizeTable(size)
			}
			c.out = c.out[:0]
			c.putHeaders(x)
			wire.Write(c.out)
			frame, err := read.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			got := frame.(*http2.MetaHeadersFrame)
			want := append(o.shared(), x.fields...)
			rest := want
			for _, f := range got.Fields {
				if f.Name == timeoutField && !x.deadline.IsZero() {
					continue
				}
				if len(rest) == 0 || f.Name != rest[0].Name || f.Value != rest[0].Value {
					t.Fatalf("call %d: %v, want %v", n, got.Fields, want)
				}
				rest = rest[1:]
			}
			if timed := got.Fields[len(got.Fields)-1-len(x.fields)].Name == timeoutField; len(rest) > 0 || timed == x.deadline.IsZero() {
				t.Fatalf("call %d: %v, want %v", n, got.Fields, want)
			}
		}
	})
}

func TestIndexed(t *testing.T) {
	for block, want := range map[string]bool{"\x82\xc5": true, "\x82\x41a": false, "\x82\x7f\x80": false, "\xff\x80\x01": false, "\x20": false, "\x1f": false} {
		if indexed([]byte(block)) != want {
			t.Errorf("%x: %v", block, !want)
		}
	}
}
