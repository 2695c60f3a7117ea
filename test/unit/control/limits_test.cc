// What the machine gives: CPUs by affinity, descriptors, and the connections that these carry.
#include "lb/control/limits.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <thread>
#include <vector>

#include "test/support/catch.h"

namespace lb::control {
namespace {

// CPUs that this process may use.
std::vector<int> own_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  REQUIRE(sched_getaffinity(0, sizeof(set), &set) == 0);
  std::vector<int> cpus;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) cpus.push_back(i);
  }
  return cpus;
}

// usable_cpus() of a thread that may run on these only; the mask dies with the thread.
uint32_t usable_on(const std::vector<int>& cpus) {
  uint32_t usable = 0;
  bool is_set = false;
  std::thread thread([&] {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int cpu : cpus) CPU_SET(cpu, &set);
    is_set = sched_setaffinity(0, sizeof(set), &set) == 0;
    usable = usable_cpus();
  });
  thread.join();
  REQUIRE(is_set);
  return usable;
}

}  // namespace

TEST_CASE("limits: usable CPUs are those of the affinity mask") {
  const std::vector<int> cpus = own_cpus();
  const uint32_t usable = usable_cpus();
  CHECK(usable >= 1);
  CHECK(usable <= cpus.size());
  for (const int cpu : cpus) CHECK(usable_on({cpu}) == 1);
  // A cgroup may allow less than the mask, never more.
  for (size_t count = 1; count <= cpus.size(); ++count) {
    const auto end = cpus.begin() + static_cast<ptrdiff_t>(count);
    CHECK(usable_on({cpus.begin(), end}) == std::min<size_t>(count, usable));
  }
}

TEST_CASE("limits: the limit of open files is raised to the hard one") {
  rlimit before = {};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit lowered = before;
  lowered.rlim_cur = before.rlim_max > 256 ? 256 : before.rlim_max;
  REQUIRE(setrlimit(RLIMIT_NOFILE, &lowered) == 0);
  const uint64_t raised = raise_open_file_limit();
  rlimit after = {};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &after) == 0);
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(raised == before.rlim_max);
  CHECK(after.rlim_cur == before.rlim_max);
}

TEST_CASE("limits: connections fit into the open files with everything else") {
  for (const uint64_t open_files : {256U, 1024U, 4096U, 20'000U, 65'536U, 1'048'576U}) {
    for (const uint64_t sockets : {1U, 2U, 16U}) {
      for (const uint32_t workers : {1U, 2U, 8U}) {
        INFO(open_files << " files, " << sockets << " sockets, " << workers << " workers");
        const int64_t connections = connections_for(open_files, sockets, workers);
        const auto files = static_cast<int64_t>(open_files);
        // Two a connection; the process with its streams, logs and signals; an engine for each
        // worker; each listening socket, and one more connection that is being accepted there.
        const auto others =
            12 + 3 * static_cast<int64_t>(workers) + 3 * static_cast<int64_t>(sockets);
        CHECK(connections > 0);
        CHECK(2 * connections + others <= files);
        // The reserve is a reserve and not a waste.
        CHECK(2 * connections + others + 64 + 4 * static_cast<int64_t>(workers) >= files);
      }
    }
  }
}

TEST_CASE("limits: more of everything else leaves less for connections") {
  const int64_t base = connections_for(4096, 2, 2);
  CHECK(connections_for(4098, 2, 2) == base + 1);
  CHECK(connections_for(4096, 4, 2) < base);
  CHECK(connections_for(4096, 2, 4) < base);
}

TEST_CASE("limits: the edges of the open-file limit") {
  CHECK(connections_for(0, 1, 1) == 1);
  CHECK(connections_for(10, 1000, 1000) == 1);
  // RLIM_INFINITY
  const int64_t most = connections_for(UINT64_MAX, 1, 1);
  CHECK(most > 1'000'000'000);
  CHECK(most <= INT64_MAX / 2);
}

TEST_CASE("limits: pipes take half of a user's pages, and a sixteenth of the files, at most") {
  const auto page_bytes = static_cast<uint64_t>(getpagesize());
  for (const uint64_t files : {0U, 16U, 256U, 1024U, 20'000U, 1'048'576U}) {
    for (const uint64_t pages : {1U, 100U, 1024U, 16'384U, 1'000'000U}) {
      for (const uint32_t workers : {1U, 2U, 8U, 64U, 1000U}) {
        INFO(files << " files, " << pages << " pages, " << workers << " workers");
        const PipeBudget budget = pipes_for(files, pages, workers);
        const uint64_t pipes = uint64_t{budget.pipes_per_worker} * workers;
        CHECK(2 * pipes * budget.pipe_size_bytes <= pages * page_bytes);
        CHECK(budget.open_files(workers) == 2 * pipes);
        CHECK(16 * budget.open_files(workers) <= files);
        CHECK((budget.pipe_size_bytes == 65'536 || budget.pipe_size_bytes == 262'144));
        // Big ones only where each worker has a fair number of them.
        if (budget.pipe_size_bytes == 262'144) CHECK(budget.pipes_per_worker >= 16);
      }
    }
  }
}

TEST_CASE("limits: what there may be of pipes is used") {
  if (getpagesize() != 4096) return;
  // As a kernel's default has it.
  CHECK(pipes_for(1'048'576, 16'384, 1).pipes_per_worker == 128);
  CHECK(pipes_for(1'048'576, 16'384, 1).pipe_size_bytes == 262'144);
  CHECK(pipes_for(1'048'576, 16'384, 8).pipes_per_worker == 16);
  CHECK(pipes_for(1'048'576, 16'384, 8).pipe_size_bytes == 262'144);
  CHECK(pipes_for(1'048'576, 16'384, 9).pipes_per_worker == 56);
  CHECK(pipes_for(1'048'576, 16'384, 9).pipe_size_bytes == 65'536);
  // Few files: fewer pipes.
  CHECK(pipes_for(512, 16'384, 1).pipes_per_worker == 16);
  CHECK(pipes_for(480, 16'384, 1).pipes_per_worker == 15);
  CHECK(pipes_for(480, 16'384, 1).pipe_size_bytes == 65'536);
  CHECK(pipes_for(31, 16'384, 1).pipes_per_worker == 0);
}

TEST_CASE("limits: no limit of a user's pages is none of the pipes, but there is an end") {
  const PipeBudget budget = pipes_for(UINT64_MAX, 0, 4);
  CHECK(budget.pipes_per_worker >= pipes_for(UINT64_MAX, 1'000'000, 4).pipes_per_worker);
  CHECK(budget.pipe_size_bytes == 262'144);
  CHECK(budget.pipes_per_worker <= 4096);
  CHECK(pipes_for(UINT64_MAX, UINT64_MAX, 1).pipes_per_worker <= 4096);
  CHECK(pipes_for(512, 0, 1).pipes_per_worker == 16);
}

TEST_CASE("limits: health checks take a sixteenth of the files, and never more than 256") {
  CHECK(checks_for(0) == 1);
  CHECK(checks_for(160) == 10);
  CHECK(checks_for(4096) == 256);
  CHECK(checks_for(UINT64_MAX) == 256);
}

TEST_CASE("limits: the pages of this machine's users") {
  std::ifstream file("/proc/sys/fs/pipe-user-pages-soft");
  uint64_t pages = 0;
  if (file >> pages) CHECK(pipe_user_pages() == pages);
}

}  // namespace lb::control
