package draft

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A document of others reads no file outside of its folder, by whatever path.
func TestReferencesStayInTheFolder(t *testing.T) {
	root := t.TempDir()
	folder := filepath.Join(root, "api")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	schema := []byte("a: {type: object, properties: {secret: {type: string}}}")
	for _, path := range []string{filepath.Join(root, "out.yaml"), filepath.Join(folder, "in.yaml")} {
		if err := os.WriteFile(path, schema, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(root, "out.yaml"), filepath.Join(folder, "link.yaml")); err != nil {
		t.Skip(err)
	}
	for ref, follows := range map[string]bool{"in.yaml": true, "../out.yaml": false, filepath.Join(root, "out.yaml"): false, "link.yaml": false} {
		text := `{"openapi": "3.0.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"post": {
			"requestBody": {"content": {"application/json": {"schema": {"$ref": "` + filepath.ToSlash(ref) + `#/a"}}}}, "responses": {"200": {"description": "ok"}}}}}}`
		_, err := OpenAPI([]byte(text), filepath.Join(folder, "o.json"), "http://127.0.0.1:1", "")
		if follows && err != nil || !follows && (err == nil || !strings.Contains(err.Error(), "outside")) {
			t.Errorf("%s: %v", ref, err)
		}
	}
}
