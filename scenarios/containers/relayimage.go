package containers

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

	"wringer/faults/container"
)

const (
	relayProgram    = "/wringer" // in the image
	relayRepository = "wringer-relay"
	// binaryVariable names a Linux binary of this program for relays.
	binaryVariable = "WRINGER_RELAY"
)

// relayImage is the image of a relay: one static Linux binary of this program. It stays in the engine as a cache.
func (p *prepared) relayImage(ctx context.Context) (string, error) {
	version, err := p.engine.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return "", fmt.Errorf("make a relay for links: %w", err)
	}
	path, err := relayBinary(version.Os, version.Arch)
	if err != nil {
		return "", err
	}
	binary, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("make a relay for links: %w", err)
	}
	defer binary.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, binary)
	if err != nil {
		return "", fmt.Errorf("make a relay for links: %w", err)
	}
	image := relayRepository + ":" + hex.EncodeToString(sum.Sum(nil)[:6])
	if _, err := p.engine.ImageInspect(ctx, image); err == nil || !errdefs.IsNotFound(err) {
		return image, err
	}
	if _, err := binary.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("make a relay for links: %w", err)
	}
	err = p.timed("build", image, func() error { return p.importBinary(ctx, image, binary, size) })
	if err != nil {
		return "", fmt.Errorf("make the image %s of a relay for links: %w", image, err)
	}
	return image, nil
}

// importBinary makes an image that holds one program.
func (p *prepared) importBinary(ctx context.Context, image string, binary io.Reader, size int64) error {
	reader, writer := io.Pipe()
	defer reader.Close()
	go func() {
		files := tar.NewWriter(writer)
		err := files.WriteHeader(&tar.Header{Name: relayProgram[1:], Mode: 0o755, Size: size})
		if err == nil {
			_, err = io.Copy(files, binary)
		}
		writer.CloseWithError(errors.Join(err, files.Close()))
	}()
	made, err := p.engine.ImageImport(ctx, client.ImageImportSource{Source: reader, SourceName: "-"}, image, client.ImageImportOptions{
		Changes: []string{"ENTRYPOINT [\"" + relayProgram + "\"]", "LABEL " + container.LabelImage + "=relay"},
	})
	if err != nil {
		return err
	}
	defer made.Close()
	if _, err := io.Copy(io.Discard, made); err != nil {
		return err
	}
	_, err = p.engine.ImageInspect(ctx, image)
	return err
}

// relayBinary finds a static Linux binary of this program for the engine's architecture.
func relayBinary(system, arch string) (string, error) {
	if system != "linux" {
		return "", fmt.Errorf("links between containers need an engine of Linux containers; this one runs containers of %s", system)
	}
	if named := os.Getenv(binaryVariable); named != "" {
		if err := runsOn(named, arch); err != nil {
			return "", fmt.Errorf("%s=%s: %w; %s", binaryVariable, named, err, howToBuild(arch, "wringer-linux-"+arch))
		}
		return named, nil
	}
	own, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find a binary for relays: %w; name one in %s", err, binaryVariable)
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
	return "", fmt.Errorf("links of containers need a relay here, which is a static Linux binary of wringer for %s; this one is not (%w); %s, or name one in %s",
		arch, why, howToBuild(arch, beside), binaryVariable)
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
