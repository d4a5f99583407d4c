package process

// UseGroups says whether processes get cgroups where they can, and returns what it was.
func UseGroups(use bool) (before bool) {
	before, useGroups = useGroups, use
	return before
}

// HasGroups says whether this machine lets processes have cgroups.
func HasGroups() bool {
	f := newFamily("probe")
	defer f.end()
	return f.folder != ""
}
