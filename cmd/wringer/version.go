package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is the version of a released binary, set by the linker.
var release string

// build is what the binary knows of its own making.
type build struct {
	Version string `json:"version"`
	// Commit is the revision that was built, empty where the build had no repository. Modified: with changes that were not committed.
	Commit   string `json:"commit"`
	Modified bool   `json:"modified"`
	Time     string `json:"time,omitempty"` // of the commit, RFC 3339
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// thisBuild reads what Go and the linker put into the binary.
func thisBuild() build {
	b := build{Version: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		if b.Version == "" {
			b.Version = "unknown"
		}
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "vcs.time":
			b.Time = s.Value
		}
	}
	switch v := info.Main.Version; {
	case b.Version != "":
	case v != "" && v != "(devel)":
		b.Version = v
	case b.Commit != "":
		b.Version = "devel-" + b.Commit[:min(len(b.Commit), 12)]
	default:
		b.Version = "devel"
	}
	return b
}

// version is the module's version, or the revision that was built.
func version() string { return thisBuild().Version }

func versionCommand(std streams) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit, Go's version and the platform",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			if asJSON {
				encoder := json.NewEncoder(std.out)
				encoder.SetIndent("", "  ")
				return encoder.Encode(b)
			}
			commit := b.Commit
			switch {
			case commit == "":
				commit = "not known"
			case b.Modified:
				commit += ", with changes"
			}
			_, err := fmt.Fprintf(std.out, "wringer %s\ncommit   %s\ngo       %s\nplatform %s\n", b.Version, commit, b.Go, b.Platform)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}
