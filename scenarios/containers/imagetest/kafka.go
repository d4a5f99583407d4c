package imagetest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// kafkaImage is made by the script `image` of the folder with Kafka's jars, from those and this machine's Java runtime.
var kafkaImage = &image{
	name: "kafka",
	changes: []string{
		"ENV PATH=/opt/java/bin:/opt/kafka/bin:/bin:/usr/bin:/sbin:/usr/sbin", "EXPOSE 9092", "WORKDIR /opt/kafka", `CMD ["/etc/kafka/docker/run"]`,
	},
	missing: func() string {
		if os.Getenv("WRINGER_KAFKA_HOME") == "" {
			return "no image of Kafka: WRINGER_KAFKA_HOME does not name the folder of Apache Kafka's jars and its script `image`"
		}
		return cmp.Or(command("jlink", "openjdk-17-jdk-headless"), command("busybox", "busybox-static"))
	},
	tag: func(ctx context.Context, arch, _ string) (string, error) {
		if arch != runtime.GOARCH {
			return "", fmt.Errorf("the engine's architecture is %s, and the image takes the Java runtime of this machine, %s", arch, runtime.GOARCH)
		}
		return hashed(func(w io.Writer) error { return hashKafka(ctx, w, os.Getenv("WRINGER_KAFKA_HOME")) })
	},
	pack: func(ctx context.Context, _, _ string, w io.Writer) error {
		root, err := os.MkdirTemp("", "wringer-kafka-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(root)
		script := filepath.Join(os.Getenv("WRINGER_KAFKA_HOME"), "image")
		if out, err := exec.CommandContext(ctx, script, "--rootfs", root).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", script, err, strings.TrimSpace(string(out)))
		}
		return packFolder(w, root)
	},
}

// hashKafka reads the small files, and takes the names and sizes of the jars and the version of Java for the rest.
func hashKafka(ctx context.Context, w io.Writer, home string) error {
	for _, name := range []string{"image", "log4j2.yaml"} {
		if err := hashFile(w, filepath.Join(home, name)); err != nil {
			return err
		}
	}
	jars, err := os.ReadDir(filepath.Join(home, "libs"))
	if err != nil {
		return err
	}
	for _, jar := range jars {
		info, err := jar.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(w, info.Name(), info.Size())
	}
	version, err := exec.CommandContext(ctx, "jlink", "--version").Output()
	if err != nil {
		return fmt.Errorf("jlink --version: %w", err)
	}
	_, err = w.Write(version)
	return err
}
