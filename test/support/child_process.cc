#include "test/support/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <sstream>
#include <thread>

#include "lb/net/fd.h"
#include "test/support/failure.h"
#include "test/support/scale.h"

namespace lb::test {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> fds;
    if (::pipe2(fds.data(), O_CLOEXEC) != 0) fail_errno("pipe2");
    read_end = net::UniqueFd(fds[0]);
    write_end = net::UniqueFd(fds[1]);
  }
  net::UniqueFd read_end;
  net::UniqueFd write_end;
};

// Everything exec needs is made before fork: between the two, only calls that are safe in the
// child of a process with threads.
struct Image {
  explicit Image(const SpawnOptions& options) : strings(options.argv) {
    for (std::string& argument : strings) argv.push_back(argument.data());
    argv.push_back(nullptr);
    for (char** variable = environ; *variable != nullptr; ++variable) {
      variables.emplace_back(*variable);
    }
    for (const auto& [name, value] : options.environment) {
      const std::string prefix = name + "=";
      std::erase_if(variables, [&](const std::string& text) { return text.starts_with(prefix); });
      variables.push_back(prefix + value);
    }
    for (std::string& variable : variables) envp.push_back(variable.data());
    envp.push_back(nullptr);
  }
  std::vector<std::string> strings;
  std::vector<std::string> variables;
  std::vector<char*> argv;
  std::vector<char*> envp;
};

[[noreturn]] void become(const SpawnOptions& options, const Image& image, int in, int out,
                         int err) {
  ::dup2(in, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::signal(SIGPIPE, SIG_DFL);
  if (options.before_exec) options.before_exec();
  // After before_exec: a change of identity clears it (prctl(2)).
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::execvpe(image.argv[0], image.argv.data(), image.envp.data());
  ::_exit(127);
}

}  // namespace

ChildProcess::ChildProcess(const SpawnOptions& options) {
  Pipe out;
  Pipe err;
  const Image image(options);
  const char* path = options.stdin_path.empty() ? "/dev/null" : options.stdin_path.c_str();
  const net::UniqueFd in(::open(path, O_RDONLY | O_CLOEXEC));
  if (!in.is_open()) fail_errno("open " + std::string(path));
  pid_ = ::fork();
  if (pid_ < 0) fail_errno("fork");
  if (pid_ == 0) become(options, image, in.get(), out.write_end.get(), err.write_end.get());
  out_ = std::make_unique<LineLog>(std::move(out.read_end));
  err_ = std::make_unique<LineLog>(std::move(err.read_end));
}

ChildProcess::~ChildProcess() {
  if (running()) {
    send_signal(SIGKILL);
    wait(std::chrono::seconds(10));
  }
}

void ChildProcess::send_signal(int signal) const {
  if (!status_.has_value()) ::kill(pid_, signal);
}

std::optional<int> ChildProcess::wait(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + patience(timeout);
  while (!status_.has_value()) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      status_ = status;
      break;
    }
    if (std::chrono::steady_clock::now() >= deadline) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return status_;
}

int ChildProcess::wait_code(std::chrono::milliseconds timeout) {
  const std::optional<int> status = wait(timeout);
  if (!status.has_value()) throw Failure("process " + std::to_string(pid_) + " does not end");
  return WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
}

CommandResult run_command(const SpawnOptions& options, std::chrono::milliseconds timeout) {
  ChildProcess child(options);
  const int code = child.wait_code(timeout);
  child.out().wait_closed();
  child.err().wait_closed();
  return {.code = code, .out = child.out().text(), .err = child.err().text()};
}

bool have_command(const std::string& name) {
  if (name.find('/') != std::string::npos) return ::access(name.c_str(), X_OK) == 0;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "/usr/bin:/bin" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace lb::test
