#include "lb/control/admin/process_usage.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <sstream>
#include <string>

namespace lb::control {
namespace {

uint64_t count_open_fds() {
  // Linux 6.2 and later say it in the folder's size; before, somebody has to count.
  struct stat status;
  if (stat("/proc/self/fd", &status) == 0 && status.st_size > 0) {
    return static_cast<uint64_t>(status.st_size);
  }
  DIR* const folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  uint64_t count = 0;
  while (const dirent* entry = readdir(folder)) count += entry->d_name[0] != '.' ? 1 : 0;
  closedir(folder);
  return count > 0 ? count - 1 : 0;  // without the folder itself
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double now_seconds(clockid_t clock) {
  timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// The fields of /proc/self/stat behind the command's name (proc(5)), which may hold blanks.
void read_stat(ProcessUsage& usage) {
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return;
  std::istringstream rest(line.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) rest >> skipped;
  uint64_t start_ticks = 0;
  uint64_t resident_pages = 0;
  rest >> start_ticks >> usage.virtual_bytes >> resident_pages;
  usage.resident_bytes = resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const double age_seconds =
      now_seconds(CLOCK_BOOTTIME) -
      static_cast<double>(start_ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
  // To the tick: the clocks are read one after the other, and the process began once.
  usage.start_time_seconds = std::round((now_seconds(CLOCK_REALTIME) - age_seconds) * 100) / 100;
}

}  // namespace

ProcessUsage process_usage() {
  ProcessUsage usage;
  rusage times = {};
  if (getrusage(RUSAGE_SELF, &times) == 0) {
    usage.cpu_seconds = seconds_of(times.ru_utime) + seconds_of(times.ru_stime);
  }
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY) {
    usage.max_fds = files.rlim_cur;
  }
  usage.open_fds = count_open_fds();
  read_stat(usage);
  return usage;
}

}  // namespace lb::control
