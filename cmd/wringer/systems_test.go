package main

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"

	"wringer/drivers/drivertest/tier"
)

// withTypes has packages and all that they import type checked from their source.
const withTypes = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps |
	packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo

// The program compiles for each system of a release. Type checking tells what a compiler would, in a tenth of its time.
func TestOtherSystems(t *testing.T) {
	tier.Slow(t, "five systems' type checks take a minute")
	for _, system := range []struct{ os, arch string }{{"windows", "amd64"}, {"windows", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"linux", "arm64"}} {
		t.Run(system.os+"/"+system.arch, func(t *testing.T) {
			c := packages.Config{
				Env: append(os.Environ(), "GOOS="+system.os, "GOARCH="+system.arch, "CGO_ENABLED=0"),
				Dir: root,
			}
			load := func(mode packages.LoadMode, patterns ...string) []*packages.Package {
				c.Mode = mode
				loaded, err := packages.Load(&c, patterns...)
				if err != nil {
					t.Fatal(err)
				}
				return loaded
			}
			// Bodies of functions are checked in the packages that are named: in our own.
			var ours []string
			packages.Visit(load(packages.NeedName|packages.NeedImports|packages.NeedDeps, "./cmd/wringer"), nil, func(p *packages.Package) {
				if strings.HasPrefix(p.PkgPath, "wringer/") {
					ours = append(ours, p.PkgPath)
				}
			})
			if len(ours) < 50 {
				t.Fatalf("the program has only %d packages: %v", len(ours), ours)
			}
			//nolint:staticcheck // LoadAllSyntax names the fields that types from source need.
			packages.Visit(load(withTypes, ours...), nil, func(p *packages.Package) {
				for _, err := range p.Errors {
					t.Error(err)
				}
			})
		})
	}
}
