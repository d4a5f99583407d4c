package containers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// CheckFiles implements drivers.FileChecker.
func (c *Config) CheckFiles(folder string, ready func(path string) error, problem func(field, message string)) {
	for _, n := range c.names() {
		e := (*c)[n]
		if e.EnvFile != "" && ready(e.EnvFile) == nil {
			if _, err := readEnv(folder, e.EnvFile); err != nil {
				problem(n+".env_file", strings.TrimPrefix(err.Error(), "env_file: "))
			}
		}
		if e.Build == "" || strings.Contains(e.Build+e.Dockerfile, "${") {
			continue
		}
		if missing := missingDockerfile(within(folder, e.Build), e.Dockerfile); missing != "" {
			field := n + ".build"
			if e.Dockerfile != "" {
				field = n + ".dockerfile"
			}
			problem(field, "there is no file "+missing)
		}
	}
}

// CheckFiles implements drivers.FileChecker. The Compose file itself is read with the scenario.
func (c *Compose) CheckFiles(folder string, _ func(path string) error, problem func(field, message string)) {
	for _, n := range c.names() {
		build := c.project.Services[n].Build
		if build == nil || strings.Contains(build.Context, "://") {
			continue
		}
		if at, err := os.Stat(build.Context); err != nil || !at.IsDir() {
			problem("file", fmt.Sprintf("service %s: build: there is no folder %s", n, shown(folder, build.Context)))
		} else if missing := missingDockerfile(build.Context, build.Dockerfile); missing != "" {
			problem("file", fmt.Sprintf("service %s: build: there is no file %s", n, shown(folder, missing)))
		}
	}
}

// shown is a path as a scenario in the folder would write it; one outside of the folder stays.
func shown(folder, path string) string {
	whole, err := filepath.Abs(folder)
	if err != nil {
		return path
	}
	if inner, err := filepath.Rel(whole, path); err == nil && filepath.IsLocal(inner) {
		return inner
	}
	return path
}

// missingDockerfile is the path of a Dockerfile that is not in the folder, which is there.
func missingDockerfile(folder, name string) string {
	if name == "" {
		name = "Dockerfile"
	}
	if at, err := os.Stat(folder); err != nil || !at.IsDir() || filepath.IsAbs(name) {
		return ""
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err == nil {
		return ""
	}
	return path
}
