package imagetest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

var shopImage = programs("shop", []string{`ENTRYPOINT ["/wringer"]`, `CMD ["shop"]`, "EXPOSE 8080", "EXPOSE 9090"},
	"wringer", "wringer/cmd/wringer", "tool", toolPackage)

var toolImage = programs("tool", []string{`ENTRYPOINT ["/tool"]`, "EXPOSE 8080", "EXPOSE 8081"}, "tool", toolPackage)

const toolPackage = "wringer/scenarios/containers/imagetest/tool"

// programs is an image of static programs of this module, given as pairs of a name and a package. Their bytes are the contents:
// the same sources make the same bytes, in whatever folder.
func programs(name string, changes []string, pairs ...string) *image {
	files := func(work string) map[string]string {
		all := make(map[string]string)
		for i := 0; i < len(pairs); i += 2 {
			all[pairs[i]] = filepath.Join(work, pairs[i])
		}
		return all
	}
	return &image{
		name: name, changes: changes,
		missing: func() string { return command("go", "golang-go") },
		tag: func(ctx context.Context, arch, work string) (string, error) {
			for i := 0; i < len(pairs); i += 2 {
				if err := compile(ctx, arch, pairs[i+1], filepath.Join(work, pairs[i])); err != nil {
					return "", err
				}
			}
			return hashed(func(w io.Writer) error {
				fmt.Fprintln(w, changes)
				for i := 0; i < len(pairs); i += 2 {
					if err := hashFile(w, filepath.Join(work, pairs[i])); err != nil {
						return err
					}
				}
				return nil
			})
		},
		pack: func(_ context.Context, _, work string, w io.Writer) error { return packFiles(w, files(work)) },
	}
}

// compile builds a static program. A program that is up to date is not linked again.
func compile(ctx context.Context, arch, pkg, path string) error {
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, pkg)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", pkg, err, strings.TrimSpace(string(out)))
	}
	return nil
}
