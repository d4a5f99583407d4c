package container

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

const (
	// mostResolver bounds what is read of a container's resolv.conf, in bytes.
	mostResolver = 16 << 10
	// mostSearched bounds the domains of a search list.
	mostSearched = 8
)

// searched is the search list of a process's root folder: the domains that its resolver appends to names.
func searched(pid int) ([]string, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/root/etc/resolv.conf", pid))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return searchList(io.LimitReader(file, mostResolver)), nil
}

// searchList reads the domains that the last line search or domain of a resolv.conf names, as resolvers do.
func searchList(from io.Reader) (domains []string) {
	for lines := bufio.NewScanner(from); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 1 && (words[0] == "search" || words[0] == "domain") {
			domains = words[1:]
		}
	}
	return domains[:min(len(domains), mostSearched)]
}

// asked are the names that a caller's questions may hold for the given ones: alone, and with each domain behind it.
func asked(names, domains []string) (all []string) {
	for _, name := range names {
		all = append(all, name)
		for _, domain := range domains {
			if domain = strings.Trim(domain, "."); domain != "" {
				all = append(all, strings.TrimSuffix(name, ".")+"."+domain)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// search is the search list of a life; nil: it cannot be read.
func (l Life) search(ctx context.Context) (domains []string) {
	_ = l.Do(ctx, callSearch, struct{}{}, &domains) // names alone are counted then
	return domains
}
