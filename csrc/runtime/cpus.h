// How many CPUs this process may use.
#pragma once

#include <string>

namespace fastconv {

// CPUs' worth of time that the control groups of a process allow, rounded up, or 0 where they set
// no limit. `groups` is a file such as /proc/self/cgroup; the hierarchies lie under `mount`.
int cpu_quota(const std::string& groups, const std::string& mount);

// The least of the CPUs that the scheduler may run this thread on and the quota, at least 1.
int usable_cpus();

}  // namespace fastconv
