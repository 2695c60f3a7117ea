#include "bench/child_process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>

#include "bench/process_meter.h"
#include "lb/net/fd.h"
#include "lb/util/clock.h"

namespace lb::bench {
namespace {

constexpr int64_t kEndPatienceMs = 3'000;
constexpr useconds_t kPollUs = 5'000;

// Between fork and exec: only what is safe after a fork.
[[noreturn]] void become(char* const* argv, int cpu, int log_fd, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(127);
  // Ctrl-C is for the parent, which stops its children in order.
  setpgid(0, 0);
  if (cpu >= 0) pin_to_cpu(cpu);
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  const int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(null_fd, 0);
  dup2(log_fd >= 0 ? log_fd : null_fd, 1);
  dup2(log_fd >= 0 ? log_fd : null_fd, 2);
  execv(argv[0], argv);
  _exit(127);
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& argv, int cpu,
                           const std::string& log_path) {
  std::vector<std::string> words = argv;
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const net::UniqueFd log(open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) become(pointers.data(), cpu, log.get(), parent);
}

ChildProcess::~ChildProcess() {
  if (pid_ <= 0) return;
  const std::vector<pid_t> family = with_children({pid_});
  for (int attempt = 0; attempt < 2 && is_running(); ++attempt) {
    kill(pid_, SIGTERM);
    if (wait_end(kEndPatienceMs)) break;
  }
  if (!is_running()) return;
  for (const pid_t pid : family) kill(pid, SIGKILL);
  wait_end(kEndPatienceMs);
}

bool ChildProcess::is_running() {
  if (pid_ <= 0) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == 0) return true;
  pid_ = -1;
  return false;
}

bool ChildProcess::wait_end(int64_t timeout_ms) {
  const util::MonoTimeMs deadline_ms = util::mono_now_ms() + timeout_ms;
  while (is_running()) {
    if (util::mono_now_ms() >= deadline_ms) return false;
    usleep(kPollUs);
  }
  return true;
}

bool ChildProcess::wait_listening(const net::Address& address, int64_t timeout_ms) {
  const util::MonoTimeMs deadline_ms = util::mono_now_ms() + timeout_ms;
  while (is_running() && util::mono_now_ms() < deadline_ms) {
    const net::UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(fd.get(), address.data(), address.size_bytes()) == 0) return true;
    usleep(kPollUs);
  }
  return false;
}

std::vector<int> usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return {0};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<size_t>(cpu), &set)) cpus.push_back(cpu);
  }
  return cpus;
}

void pin_to_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<size_t>(cpu), &set);
  sched_setaffinity(0, sizeof(set), &set);
}

uint64_t raise_open_file_limit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace lb::bench
