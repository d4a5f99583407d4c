package drivers

import "path/filepath"

// ResolvePath turns a path of the scenario into a path of this process. A relative path starts in folder, which is
// Env.Files.
func ResolvePath(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}
