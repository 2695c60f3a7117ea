#include "lb/event/engine_self_test.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "fmt/format.h"
#include "lb/net/socket.h"

namespace lb::event {
namespace {

constexpr util::MonoTimeMs kTimeoutMs = 2000;
constexpr size_t kPayloadBytes = 100'000;  // more than a buffer holds

class SelfTest {
 public:
  explicit SelfTest(Engine& engine) : engine_(engine) {
    accept_.bind<&SelfTest::on_accept>(this);
    connect_.bind<&SelfTest::on_connect>(this);
    send_.bind<&SelfTest::on_sent>(this);
    recv_.bind<&SelfTest::on_recv>(this);
    for (size_t i = 0; i < kPayloadBytes; ++i) {
      payload_.push_back(static_cast<std::byte>(i * 7 + i / 251));
    }
  }

  absl::Status run() {
    if (const int error = listen_anywhere(); error < 0) return failed("listen", error);
    const int fd = engine_.open_stream_socket(AF_UNIX);
    if (fd < 0) return failed("socket", fd);
    client_fd_ = fd;
    engine_.accept(accept_, listener_.get(), true);
    engine_.connect(connect_, client_fd_, address_);
    const util::MonoTimeMs deadline_ms = util::mono_now_ms() + kTimeoutMs;
    while (!is_over() && util::mono_now_ms() < deadline_ms) engine_.run_once(deadline_ms);
    for (Op* op : {static_cast<Op*>(&accept_), static_cast<Op*>(&connect_),
                   static_cast<Op*>(&send_), static_cast<Op*>(&recv_)}) {
      engine_.cancel(*op);
      while (op->in_flight()) engine_.run_once(util::mono_now_ms() + kTimeoutMs);
    }
    recv_.lease.reset();
    for (const int open_fd : {client_fd_, server_fd_}) {
      if (open_fd >= 0) engine_.close(open_fd, CloseMode::kFin);
    }
    engine_.close(listener_.release(), CloseMode::kFin);
    if (error_ < 0) return failed("an operation", error_);
    if (!saw_fin_) return absl::UnavailableError("the self-test got no answer in time");
    if (received_ != payload_) return absl::UnavailableError("the self-test got wrong bytes");
    return absl::OkStatus();
  }

 private:
  static absl::Status failed(const char* what, int error) {
    return absl::UnavailableError(
        fmt::format("{} failed in the self-test: {}", what, std::strerror(-error)));
  }

  // An address that the kernel picks in the abstract space (unix(7), "autobind"): nothing to clean
  // up and no network needed.
  int listen_anywhere() {
    sockaddr_storage any = {};
    any.ss_family = AF_UNIX;
    const int error = net::listen_stream(net::Address::from_sockaddr(any, sizeof(sa_family_t)),
                                         net::ListenOptions(), &listener_);
    if (error == 0) address_ = net::local_address(listener_.get());
    return error;
  }

  bool is_over() const { return error_ < 0 || saw_fin_; }

  void note(int32_t result) {
    if (result < 0 && result != -ECANCELED) error_ = result;
  }

  void on_accept(Completion completion) {
    note(completion.result);
    if (completion.result < 0) return;
    server_fd_ = completion.result;
    engine_.recv(recv_, server_fd_, UINT32_MAX);
  }

  void on_connect(Completion completion) {
    note(completion.result);
    if (completion.result == 0) engine_.send(send_, client_fd_, payload_);
  }

  void on_sent(Completion completion) {
    note(completion.result);
    if (completion.result > 0) engine_.shutdown_write(client_fd_);
  }

  void on_recv(Completion completion) {
    note(completion.result);
    saw_fin_ = completion.result == 0;
    if (completion.result <= 0) return;
    const std::span<const std::byte> bytes = recv_.lease.bytes();
    received_.insert(received_.end(), bytes.begin(), bytes.end());
    recv_.lease.reset();
    engine_.recv(recv_, server_fd_, UINT32_MAX);
  }

  Engine& engine_;
  net::UniqueFd listener_;
  net::Address address_;
  int client_fd_ = -1;
  int server_fd_ = -1;
  AcceptOp accept_;
  ConnectOp connect_;
  SendOp send_;
  RecvOp recv_;
  std::vector<std::byte> payload_;
  std::vector<std::byte> received_;
  bool saw_fin_ = false;
  int32_t error_ = 0;
};

}  // namespace

absl::Status self_test(Engine& engine) { return SelfTest(engine).run(); }

}  // namespace lb::event
