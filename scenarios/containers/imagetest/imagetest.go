package imagetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Label marks every image that this package built: Label=1.
const Label = "wringer.test"

const (
	buildWithin = 15 * time.Minute // the slowest, with the packages of Debian to fetch
	keepOld     = 24 * time.Hour   // images of other contents are removed when they are older and another one is built
)

// image is a recipe. All of its work takes place below the lock of its name.
type image struct {
	name    string   // wringer-test/NAME
	changes []string // lines of a Dockerfile: CMD, ENV, EXPOSE, VOLUME
	// missing says which part of the recipe this machine lacks, and the remedy; empty: none.
	missing func() string
	// tag names the contents. arch is the engine's, work a folder of the image's own that is kept.
	tag func(ctx context.Context, arch, work string) (string, error)
	// pack writes the root file system as a tar archive. tag was called before.
	pack func(ctx context.Context, arch, work string, w io.Writer) error
}

// Shop is an image of this module's command, on nothing: `wringer shop` and all else. /tool is beside it, for health checks:
// [/tool, get, URL] and [/tool, dial, HOST:PORT].
func Shop(t testing.TB) string { t.Helper(); return get(t, shopImage) }

// Tool is an image of the target of tests of faults, on nothing: see the package tool.
func Tool(t testing.TB) string { t.Helper(); return get(t, toolImage) }

// Toxiproxy is an image of Toxiproxy's server. Its API is at 8474, and it takes the arguments of the official image.
func Toxiproxy(t testing.TB) string { t.Helper(); return get(t, toxiproxyImage) }

// Kafka is an image of Apache Kafka, configured as apache/kafka is, where WRINGER_KAFKA_HOME names a folder with its jars and
// its script `image`.
func Kafka(t testing.TB) string { t.Helper(); return get(t, kafkaImage) }

// Postgres is an image of Debian's PostgreSQL that takes the variables of the official one.
func Postgres(t testing.TB) string { t.Helper(); return get(t, postgresImage) }

// RabbitMQ is an image of Debian's RabbitMQ that takes the variables of the official one, its management plugin enabled.
func RabbitMQ(t testing.TB) string { t.Helper(); return get(t, rabbitImage) }

// Engine skips the test where no container engine answers, and under -short.
func Engine(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("slow, left out by -short: starts containers")
	}
	if _, _, why := answering(t.Context()); why != "" {
		t.Skip(why)
	}
}

// answering returns the engine and its architecture, or the reason why there is none.
func answering(ctx context.Context) (e *engine, arch, why string) {
	e, err := newEngine()
	if err == nil {
		arch, err = e.architecture(ctx)
	}
	if err != nil {
		return nil, "", "no container engine: " + err.Error()
	}
	return e, arch, ""
}

// get returns the image's reference, and builds the image if the engine does not hold it.
func get(t testing.TB, i *image) string {
	t.Helper()
	e, arch, why := answering(t.Context())
	if why == "" {
		why = i.missing()
	}
	if why != "" {
		t.Skip(why)
	}
	ctx, cancel := context.WithTimeout(t.Context(), buildWithin)
	defer cancel()
	begun := time.Now()
	ref, built, err := ensure(ctx, e, arch, i)
	if err != nil {
		t.Fatalf("image %s: %v", i.name, err)
	}
	if built {
		t.Logf("built image %s in %s", ref, time.Since(begun).Round(100*time.Millisecond))
	}
	return ref
}

func ensure(ctx context.Context, e *engine, arch string, i *image) (ref string, built bool, err error) {
	work, unlock, err := lock(i.name)
	if err != nil {
		return "", false, err
	}
	defer unlock()
	tag, err := i.tag(ctx, arch, work)
	if err != nil {
		return "", false, err
	}
	repository := "wringer-test/" + i.name
	ref = repository + ":" + tag
	if there, err := e.holds(ctx, ref); there || err != nil {
		return ref, false, err
	}
	if err := i.build(ctx, e, arch, work, repository, tag); err != nil {
		return "", false, err
	}
	return ref, true, nil
}

// build streams the root file system to the engine. A failed stream leaves no image.
func (i *image) build(ctx context.Context, e *engine, arch, work, repository, tag string) error {
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := i.pack(ctx, arch, work, w)
		w.CloseWithError(err)
		packed <- err
	}()
	err := e.load(ctx, repository, tag, append([]string{"LABEL " + Label + "=1"}, i.changes...), r)
	r.CloseWithError(err) // pack ends although nobody reads
	if err := errors.Join(err, <-packed); err != nil {
		return err
	}
	// latest is for hands: tests name the contents.
	return errors.Join(e.tag(ctx, repository+":"+tag, repository, "latest"), e.forget(ctx, repository, tag))
}

// forget removes old images of the repository with other contents. Those in use stay.
func (e *engine) forget(ctx context.Context, repository, tag string) error {
	all, err := e.ours(ctx, repository)
	for _, i := range all {
		if time.Since(time.Unix(i.Created, 0)) < keepOld {
			continue
		}
		for _, ref := range i.RepoTags {
			if ref != repository+":"+tag {
				_ = e.remove(ctx, ref) // in use: the next build tries again
			}
		}
	}
	return err
}

// RemoveAll removes the images with the label, and returns their tags. One that a container uses is an error, and stays.
func RemoveAll(ctx context.Context) (removed []string, err error) {
	e, err := newEngine()
	if err != nil {
		return nil, err
	}
	all, err := e.ours(ctx, "")
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, i := range all {
		refs := i.RepoTags
		if len(refs) == 0 {
			refs = []string{i.ID}
		}
		for _, ref := range refs {
			if err := e.remove(ctx, ref); err != nil {
				problems = append(problems, err)
				continue
			}
			removed = append(removed, ref)
		}
	}
	return removed, errors.Join(problems...)
}

// lock waits until no other process works on the image, and returns a folder for its work. The folder stays.
func lock(name string) (work string, unlock func(), err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir() // no home
	}
	work = filepath.Join(cmp.Or(cache, os.TempDir()), "wringer-test", name)
	if err := os.MkdirAll(work, 0o755); err != nil {
		return "", nil, err
	}
	file, err := os.OpenFile(filepath.Join(work, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		file.Close()
		return "", nil, fmt.Errorf("lock %s: %w", file.Name(), err)
	}
	return work, func() { file.Close() }, nil
}
