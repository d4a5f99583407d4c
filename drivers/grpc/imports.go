package grpc

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/reporter"

	"wringer/drivers"
)

// maxProto bounds one .proto file.
const maxProto = 16 << 20

// openProto opens a .proto file. A device or a pipe is refused: its end may never come.
func openProto(path string) (io.ReadCloser, error) {
	about, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !about.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	case about.Size() > maxProto:
		return nil, fmt.Errorf("%s is larger than %s", path, drivers.Bytes(maxProto))
	}
	return os.Open(path)
}

// protoResolver looks for .proto files in folders; open opens them.
func protoResolver(paths []string, open func(path string) (io.ReadCloser, error)) protocompile.Resolver {
	return protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: paths, Accessor: open})
}

// Imports implements drivers.Importer: the protos, where the import paths have them, and what they import. It goes as far as the
// files can be read.
func (c *Config) Imports(folder string) (files []string) {
	if len(c.Protos) == 0 {
		return nil
	}
	var mu sync.Mutex
	open := func(path string) (io.ReadCloser, error) {
		file, err := openProto(path)
		if err == nil {
			mu.Lock()
			files = append(files, path)
			mu.Unlock()
		}
		return file, err
	}
	names, paths := c.sources(folder)
	goOn := reporter.NewReporter(func(reporter.ErrorWithPos) error { return nil }, nil)
	compiler := protocompile.Compiler{Resolver: protoResolver(paths, open), Reporter: goOn}
	_, _ = compiler.Compile(context.Background(), names...) // what is wrong in the files is told by CheckFiles
	return files
}
