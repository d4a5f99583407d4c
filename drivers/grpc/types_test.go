package grpc

import (
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// A .proto file may be named by its absolute path, with import paths that hold it, with others, and with none.
func TestAbsoluteProtos(t *testing.T) {
	folder := t.TempDir()
	inner := filepath.Join(folder, "api")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("api/common.proto", `syntax = "proto3"; package k; message M {}`)
	write("api/near.proto", `syntax = "proto3"; package k; import "common.proto"; service S { rpc Do(M) returns (M); }`)
	write("api/far.proto", `syntax = "proto3"; package k; import "api/common.proto"; service S { rpc Do(M) returns (M); }`)
	for name, c := range map[string]*Config{
		"no import paths": {Protos: []string{filepath.Join(inner, "near.proto")}},
		"within one":      {Protos: []string{filepath.Join(inner, "far.proto")}, ImportPaths: []string{folder}},
		"outside":         {Protos: []string{filepath.Join(inner, "near.proto")}, ImportPaths: []string{t.TempDir()}},
		"relative":        {Protos: []string{"near.proto"}, ImportPaths: []string{"api"}},
	} {
		files, err := c.readTypes(t.Context(), folder)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, ok := files.find("k.S").(protoreflect.ServiceDescriptor); !ok {
			t.Errorf("%s: the service was not found", name)
		}
	}
}
