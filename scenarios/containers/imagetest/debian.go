package imagetest

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The release has PostgreSQL 17 and RabbitMQ 4.0.
const debianRelease = "trixie"

//go:embed postgres.sh
var postgresEntry string

//go:embed rabbitmq.sh
var rabbitEntry string

var postgresImage = debian("postgres", postgresEntry, []string{
	`ENTRYPOINT ["/entrypoint"]`, `CMD ["postgres"]`, "EXPOSE 5432", "ENV PATH=/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"ENV PGDATA=/var/lib/postgresql/data", "ENV LANG=C.UTF-8", "VOLUME /var/lib/postgresql/data",
}, "postgresql")

var rabbitImage = debian("rabbitmq", rabbitEntry, []string{
	`ENTRYPOINT ["/entrypoint"]`, `CMD ["rabbitmq-server"]`, "EXPOSE 5672", "EXPOSE 15672", "ENV PATH=/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"ENV LANG=C.UTF-8", "VOLUME /var/lib/rabbitmq",
}, "rabbitmq-server")

// leftOut are files that a container does not read: of packages, manuals, the databases that the packages made at their
// installation, and PostgreSQL's compiler of queries, which is larger than all the rest.
var leftOut = []string{
	"var/cache/apt/*", "var/lib/apt/lists/*", "usr/share/doc/*", "usr/share/man/*", "usr/share/info/*", "usr/share/locale/*",
	"usr/lib/*/libLLVM*", "usr/lib/llvm-*", "usr/lib/*/libz3*", "usr/lib/postgresql/*/lib/llvmjit*", "usr/lib/postgresql/*/lib/bitcode",
	"var/lib/postgresql/*", "etc/postgresql/*", "var/lib/rabbitmq/*", "var/lib/rabbitmq/.erlang.cookie", "var/log/*", "etc/ssl/private/*",
}

// debian is an image of a small Debian with packages and an entry script. The contents are the recipe: a newer package of the
// same release is taken when the image is built anew.
func debian(name, entry string, changes []string, packages ...string) *image {
	return &image{
		name: name, changes: changes,
		missing: func() string {
			if os.Geteuid() != 0 {
				return "no image of " + name + ": debootstrap needs the user root"
			}
			return command("debootstrap", "debootstrap")
		},
		tag: func(_ context.Context, arch, _ string) (string, error) {
			return hashed(func(w io.Writer) error {
				_, err := fmt.Fprintln(w, arch, debianRelease, packages, changes, leftOut, entry)
				return err
			})
		},
		pack: func(ctx context.Context, arch, _ string, w io.Writer) error {
			root, err := os.MkdirTemp("", "wringer-debian-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(root)
			if err := bootstrap(ctx, root, arch, packages); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(root, "entrypoint"), []byte(entry), 0o755); err != nil {
				return err
			}
			return packFolder(w, root)
		},
	}
}

// bootstrap installs packages in a folder, from the mirror that WRINGER_DEBIAN_MIRROR names, else from debootstrap's own. It ends with what it started when ctx ends.
func bootstrap(ctx context.Context, root, arch string, packages []string) error {
	args := []string{"--variant=minbase", "--arch=" + arch, "--include=" + strings.Join(packages, ","), debianRelease, root}
	if mirror := os.Getenv("WRINGER_DEBIAN_MIRROR"); mirror != "" {
		args = append(args, mirror)
	}
	c := exec.CommandContext(ctx, "debootstrap", args...)
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	endsAll(c)
	if err := c.Run(); err != nil {
		return fmt.Errorf("debootstrap: %w: %s", err, lastLines(said.String(), 10))
	}
	for _, pattern := range leftOut {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		for _, path := range paths {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
