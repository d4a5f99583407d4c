package payload

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"wringer/drivers"
)

const editions = `edition = "2023";
package k;
import "google/protobuf/any.proto";
message Client { string client_id = 1; }
message In {
  google.protobuf.Any payload = 1;
  repeated google.protobuf.Any more = 2;
  uint64 big = 3;
  Client who = 4 [features.message_encoding = DELIMITED];
  repeated Client many = 5 [features.message_encoding = DELIMITED];
  extensions 100 to 199;
}
extend In { int32 rank = 100; repeated string tags = 101; Client owner = 102; }
`

// An Any holds a type of the message's files, uint64 its maximum; extensions and DELIMITED fields are written as Protobuf's own
// library reads them.
func TestTypesOfFiles(t *testing.T) {
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"k.proto": editions})})}
	files, err := compiler.Compile(t.Context(), "k.proto")
	if err != nil {
		t.Fatal(err)
	}
	desc := files[0].FindDescriptorByName("k.In").(protoreflect.MessageDescriptor)
	env := &drivers.Env{Identity: drivers.Identity{Run: "r1", Stream: "s"}}
	for name, value := range map[string]map[string]any{
		"any":              {"payload": map[string]any{"@type": "type.googleapis.com/k.Client", "clientId": "c"}},
		"any of any":       {"payload": map[string]any{"@type": "type.googleapis.com/google.protobuf.Any", "value": map[string]any{"@type": "type.googleapis.com/k.Client", "clientId": "c"}}},
		"any of a wrapper": {"more": []any{map[string]any{"@type": "type.googleapis.com/google.protobuf.Int64Value", "value": "7"}}},
		"rendered any":     {"payload": map[string]any{"@type": "type.googleapis.com/k.Client", "clientId": "{{id}}"}},
		"uint64":           {"big": uint64(math.MaxUint64)},
		"delimited":        {"who": map[string]any{"clientId": "{{id}}"}, "many": []any{map[string]any{"clientId": "a"}, map[string]any{}}},
		"extensions":       {"[k.rank]": 7, "[k.tags]": []any{"a", "{{id}}"}, "[k.owner]": map[string]any{"clientId": "o"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := (&Compiler{Env: env}).Protobuf(desc, value, "")
			if err != nil {
				t.Fatal(err)
			}
			b, err := m.Append(nil, &drivers.Op{Seq: 5})
			if err != nil {
				t.Fatal(err)
			}
			types := TypesOf(files[0])
			got, want := dynamicpb.NewMessage(desc), dynamicpb.NewMessage(desc)
			if err := (proto.UnmarshalOptions{Resolver: types}).Unmarshal(b, got); err != nil {
				t.Fatal(err)
			}
			text, _ := json.Marshal(rendered(value))
			if err := (protojson.UnmarshalOptions{Resolver: types}).Unmarshal(text, want); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
	if _, err := (&Compiler{Env: env}).Protobuf(desc, map[string]any{"[k.absent]": 1}, ""); err == nil {
		t.Error("an extension that does not exist was taken")
	}
}

// rendered is a value as operation 5 renders it.
func rendered(v any) any {
	switch v := v.(type) {
	case string:
		if v == "{{id}}" {
			return "r1.s.5"
		}
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = rendered(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any)
		for name, e := range v {
			out[name] = rendered(e)
		}
		return out
	}
	return v
}
