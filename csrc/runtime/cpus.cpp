#include "runtime/cpus.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <thread>

namespace fastconv {
namespace {

// Two numbers, from one file (cgroup v2: "quota period", "max" for none) or two (v1: -1 for none).
double share(const std::string& quota_file, const std::string& period_file) {
  std::ifstream quota_in(quota_file);
  std::int64_t quota = 0, period = 0;
  if (!(quota_in >> quota)) return 0;
  if (period_file.empty())
    quota_in >> period;
  else
    std::ifstream(period_file) >> period;
  return quota > 0 && period > 0 ? static_cast<double>(quota) / static_cast<double>(period) : 0;
}

// The least limit of a group and of those that contain it; 0: none.
template <class F>
double least(std::string path, const F& limit_of) {
  double found = 0;
  for (;;) {
    const double limit = limit_of(path == "/" ? "" : path);
    if (limit > 0 && (found == 0 || limit < found)) found = limit;
    const auto slash = path.rfind('/');
    if (path.empty() || path == "/" || slash == std::string::npos) return found;
    path.resize(slash);
  }
}

}  // namespace

int cpu_quota(const std::string& groups, const std::string& mount) {
  std::ifstream in(groups);
  double found = 0;
  for (std::string line; std::getline(in, line);) {  // number:controllers:path
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    double limit = 0;
    if (controllers.empty()) {
      limit = least(path, [&](const std::string& p) { return share(mount + p + "/cpu.max", ""); });
    } else {
      std::istringstream names(controllers);
      bool cpu = false;
      for (std::string name; std::getline(names, name, ',');) cpu = cpu || name == "cpu";
      if (!cpu) continue;
      limit = least(path, [&](const std::string& p) {
        std::string folder = mount;
        folder.append("/").append(controllers).append(p).append("/cpu.cfs_");
        return share(folder + "quota_us", folder + "period_us");
      });
    }
    if (limit > 0 && (found == 0 || limit < found)) found = limit;
  }
  return found > 0 ? std::max(1, static_cast<int>(std::ceil(std::min(found, 1e6)))) : 0;
}

int usable_cpus() {
  int cpus = static_cast<int>(std::thread::hardware_concurrency());
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cpus = CPU_COUNT(&set);
  const int quota = cpu_quota("/proc/self/cgroup", "/sys/fs/cgroup");
  return std::max(1, quota > 0 ? std::min(cpus, quota) : cpus);
}

}  // namespace fastconv
