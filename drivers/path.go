package drivers

import "path/filepath"

// ResolvePath makes a path of the scenario a path of this process: a relative path lies in folder, which is Env.Files.
func ResolvePath(folder, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}
