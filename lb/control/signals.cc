#include "lb/control/signals.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace lb::control {
namespace {

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2}) sigaddset(&set, signal);
  return set;
}

}  // namespace

void block_signals() {
  const sigset_t set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A reader of our log that goes away is no reason to die.
  ::signal(SIGPIPE, SIG_IGN);
}

Signals::Signals(event::Engine& engine, std::function<void(int)> on_signal)
    : engine_(engine), on_signal_(std::move(on_signal)) {
  const sigset_t set = handled_signals();
  fd_.reset(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd_.is_open()) throw std::system_error(errno, std::generic_category(), "signalfd");
  poll_.bind<&Signals::on_readable>(this);
  engine_.poll(poll_, fd_.get(), POLLIN);
}

Signals::~Signals() {
  on_signal_ = nullptr;
  engine_.cancel(poll_);
  while (poll_.in_flight()) engine_.run_once(util::kNever);
  engine_.close(fd_.release(), event::CloseMode::kFin);
}

void Signals::on_readable(event::Completion completion) {
  if (completion.result < 0 || !on_signal_) return;
  signalfd_siginfo info;
  while (read(fd_.get(), &info, sizeof(info)) == sizeof(info)) {
    on_signal_(static_cast<int>(info.ssi_signo));
  }
  engine_.poll(poll_, fd_.get(), POLLIN);
}

}  // namespace lb::control
