package process

// Met implements faults.Part. It counts connections: cut by a kill, refused since, with unread bytes during a pause, or
// waiting because no file could be opened.
func (p *Process) Met() int64 {
	p.mu.Lock()
	c, met := p.child, p.met+p.refusedSince()
	frozen, limited := p.frozen, p.limit
	p.mu.Unlock()
	if frozen {
		met += int64(c.sockets().waiting)
	}
	if limited != nil {
		met += waitingForFiles(limited, c)
	}
	return met
}

// startCounting notes what met the process as it was taken down, and the dials refused until then.
func (p *Process) startCounting(open sockets, met int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.met += met
	p.refused = make(map[string]int64)
	for port := range open.ports {
		p.refused[port] = p.refusals(port)
	}
}

func (p *Process) refusals(port string) int64 {
	if p.spec.Refused == nil {
		return 0
	}
	return p.spec.Refused(port)
}

// stopCounting ends the count of a fault that is over.
func (p *Process) stopCounting() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.met += p.refusedSince()
	p.refused, p.down = nil, false
}

// refusedSince counts the dials that failed since startCounting. p.mu is held.
func (p *Process) refusedSince() (n int64) {
	for port, base := range p.refused {
		n += p.refusals(port) - base
	}
	return n
}
