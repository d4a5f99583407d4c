package imagetest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var shopImage = programs("shop", []string{`ENTRYPOINT ["/wringer"]`, `CMD ["shop"]`, "EXPOSE 8080", "EXPOSE 9090"},
	"wringer", "wringer/cmd/wringer", "tool", toolPackage)

var toolImage = programs("tool", []string{`ENTRYPOINT ["/tool"]`, "EXPOSE 8080", "EXPOSE 8081"}, "tool", toolPackage)

// toxiproxyImage is Toxiproxy's own server, of the version that this module uses.
var toxiproxyImage = programs("toxiproxy", []string{`ENTRYPOINT ["/toxiproxy"]`, `CMD ["-host", "0.0.0.0"]`, "EXPOSE 8474"},
	"toxiproxy", "github.com/Shopify/toxiproxy/v2/cmd/server")

const toolPackage = "wringer/scenarios/containers/imagetest/tool"

// programs is an image of static programs of this module, given as pairs of a name and a package. Their bytes are the contents:
// the same sources in the same folder make the same bytes.
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

// Program is the path of this module's command as a static program for the engine's architecture, as relays and sidecars need it:
// the one that WRINGER_RELAY names, else one that is built.
func Program(t testing.TB) string {
	t.Helper()
	if named := os.Getenv("WRINGER_RELAY"); named != "" {
		return named
	}
	_, arch, why := answering(t.Context())
	if why == "" {
		why = shopImage.missing()
	}
	if why != "" {
		t.Skip(why)
	}
	ctx, cancel := context.WithTimeout(t.Context(), buildWithin)
	defer cancel()
	work, unlock, err := lock(shopImage.name)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	path := filepath.Join(work, "wringer")
	if err := compile(ctx, arch, "wringer/cmd/wringer", path); err != nil {
		t.Fatal(err)
	}
	return path
}

// compile builds a static program. A program that is up to date is not linked again.
func compile(ctx context.Context, arch, pkg, path string) error {
	// The packages are those of any build without cgo: what is compiled for it is not compiled again.
	c := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", path, pkg)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=")
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", pkg, err, strings.TrimSpace(string(out)))
	}
	return nil
}
