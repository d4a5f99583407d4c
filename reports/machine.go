package reports

// Machine is what the machine of the load generator did in the measured part. CPU is a mean in cores.
type Machine struct {
	Cores int     `json:"cores"`
	Used  float64 `json:"used"` // by all programs and the kernel
	Run   float64 `json:"run"`  // by the load generator, with an embedded target
	// Target is the CPU of the target's processes, with their descendants: those that the run started, and those that listen on
	// addresses of this machine that it dialled.
	Target float64 `json:"target"`
	Others float64 `json:"others"` // by all other programs
	// OthersMax is the most that others took in one second.
	OthersMax float64 `json:"others_max"`
	Steal     float64 `json:"steal"` // given to other machines by the hypervisor
	// Pressure is the share of the time in which some program waited for a CPU. Absent: the kernel does not tell.
	Pressure *float64 `json:"pressure,omitempty"`
	// ThrottledNS is how long the CPUs held the control group of the load generator back by its quota, in all, and Throttled how
	// often. Absent: no control group tells.
	ThrottledNS *int64 `json:"throttled_ns,omitempty"`
	Throttled   *int64 `json:"throttled,omitempty"`
	// Quota is the quota of the control group. Absent: none.
	Quota *float64 `json:"quota,omitempty"`
	// BusySeconds are the seconds in which the machine was the limit, by others, by steal or by the quota.
	BusySeconds int64 `json:"busy_seconds"`
	// Unowned are addresses on this machine that the run dialled, and whose program was not found. It counts as one of the others.
	Unowned []string `json:"unowned,omitempty"`
}

// MachineSecond is one second of the machine of the load generator. CPU is a mean in cores.
type MachineSecond struct {
	StartNS  int64    `json:"start_ns"`
	Used     float64  `json:"used"`
	Run      float64  `json:"run"`
	Target   float64  `json:"target"`
	Others   float64  `json:"others"`
	Steal    float64  `json:"steal"`
	Pressure *float64 `json:"pressure,omitempty"`
	// Wait is how many threads of the run and of its target waited for a CPU, as a mean. Absent: not known.
	Wait        *float64 `json:"wait,omitempty"`
	ThrottledNS *int64   `json:"throttled_ns,omitempty"`
	// Busy: the machine was the limit, and neither the run nor its target.
	Busy bool `json:"busy,omitempty"`
}
