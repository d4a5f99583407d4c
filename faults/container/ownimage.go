package container

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

const (
	// OwnProgram is this program's path in the image that holds it.
	OwnProgram = "/wringer"
	// OwnVariable is the environment variable that names a Linux binary of this program for such an image.
	OwnVariable   = "WRINGER_RELAY"
	ownRepository = "wringer-relay"
)

// platform is the system and the architecture of containers, in Go's words.
type platform struct{ system, arch string }

// OwnName names the image of this program by the binary that it holds, and returns the binary's path.
func (e *Engine) OwnName(ctx context.Context) (image, path string, err error) {
	on := e.platform.Load()
	if on == nil {
		version, err := e.ServerVersion(ctx, client.ServerVersionOptions{})
		if err != nil {
			return "", "", err
		}
		on = &platform{version.Os, version.Arch}
		e.platform.Store(on)
	}
	path, err = ownBinary(on.system, on.arch)
	if err != nil {
		return "", "", err
	}
	binary, err := os.Open(path)
	if err != nil {
		return "", "", err
	}
	defer binary.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, binary); err != nil {
		return "", "", err
	}
	return ownRepository + ":" + hex.EncodeToString(sum.Sum(nil)[:6]), path, nil
}

// OwnImage is the image of this program: one static Linux binary. It stays in the engine as a cache. timed, which may be nil, calls
// what makes the image.
func (e *Engine) OwnImage(ctx context.Context, timed func(verb, what string, do func() error) error) (string, error) {
	image, path, err := e.OwnName(ctx)
	if err != nil {
		return "", err
	}
	if _, err := e.ImageInspect(ctx, image); err == nil || !errdefs.IsNotFound(err) {
		return image, err
	}
	load := func() error { return e.importBinary(ctx, image, path) }
	if timed == nil {
		err = load()
	} else {
		err = timed("build", image, load)
	}
	if err != nil {
		return "", fmt.Errorf("make the image %s of this program: %w", image, err)
	}
	return image, nil
}

// importBinary makes an image that holds one program.
func (e *Engine) importBinary(ctx context.Context, image, path string) error {
	binary, err := os.Open(path)
	if err != nil {
		return err
	}
	defer binary.Close()
	seen, err := binary.Stat()
	if err != nil {
		return err
	}
	reader, writer := io.Pipe()
	defer reader.Close()
	go func() {
		files := tar.NewWriter(writer)
		err := files.WriteHeader(&tar.Header{Name: OwnProgram[1:], Mode: 0o755, Size: seen.Size()})
		if err == nil {
			_, err = io.Copy(files, binary)
		}
		writer.CloseWithError(errors.Join(err, files.Close()))
	}()
	made, err := e.ImageImport(ctx, client.ImageImportSource{Source: reader, SourceName: "-"}, image, client.ImageImportOptions{
		Changes: []string{"ENTRYPOINT [\"" + OwnProgram + "\"]", "LABEL " + LabelImage + "=relay"},
	})
	if err != nil {
		return err
	}
	defer made.Close()
	if _, err := io.Copy(io.Discard, made); err != nil {
		return err
	}
	_, err = e.ImageInspect(ctx, image)
	return err
}

// ownBinary finds a static Linux binary of this program for the engine's architecture.
func ownBinary(system, arch string) (string, error) {
	if system != "linux" {
		return "", fmt.Errorf("an engine of Linux containers is needed; this one runs containers of %s", system)
	}
	if named := os.Getenv(OwnVariable); named != "" {
		if err := runsOn(named, arch); err != nil {
			return "", fmt.Errorf("%s=%s: %w; %s", OwnVariable, named, err, howToBuild(arch, "wringer-linux-"+arch))
		}
		return named, nil
	}
	own, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find a binary of this program for containers: %w; name one in %s", err, OwnVariable)
	}
	beside := filepath.Join(filepath.Dir(own), "wringer-linux-"+arch)
	why := runsOn(own, arch)
	if why == nil {
		return own, nil
	}
	if err := runsOn(beside, arch); err == nil {
		return beside, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%s: %w; %s", beside, err, howToBuild(arch, beside))
	}
	return "", fmt.Errorf("a static Linux binary of wringer for %s must run in a container here; this one is not (%w); %s, or name one in %s",
		arch, why, howToBuild(arch, beside), OwnVariable)
}

func howToBuild(arch, path string) string {
	return fmt.Sprintf("build it: CGO_ENABLED=0 GOOS=linux GOARCH=%s go build -o %s wringer/cmd/wringer", arch, path)
}

// machines are the architectures of Go, by their names in a binary.
var machines = map[elf.Machine]string{
	elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_386: "386", elf.EM_ARM: "arm", elf.EM_RISCV: "riscv64",
	elf.EM_PPC64: "ppc64le", elf.EM_S390: "s390x",
}

// runsOn returns why a file is no program that runs in an empty image on the architecture.
func runsOn(path, arch string) error {
	file, err := elf.Open(path)
	var unreadable *fs.PathError
	switch {
	case errors.As(err, &unreadable):
		return err
	case err != nil:
		return errors.New("it is no Linux binary")
	}
	defer file.Close()
	if machines[file.Machine] != arch {
		return fmt.Errorf("it is for %v", file.Machine)
	}
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			return errors.New("it is not statically linked")
		}
	}
	return nil
}
