#include "test/event/sim_world.h"

#include <cerrno>
#include <utility>

#include "test/sim/sim_engine.h"
#include "test/sim/sim_network.h"
#include "test/support/scale.h"
#include "test/support/socket.h"

namespace lb::test {
namespace {

class SimPeer final : public Peer {
 public:
  explicit SimPeer(sim::SimSocket& socket) : socket_(socket) {}
  ~SimPeer() override { close(); }

  ssize_t write(std::span<const std::byte> bytes) override { return socket_.send(bytes); }
  ssize_t read(std::span<std::byte> bytes) override { return socket_.recv(bytes); }
  size_t unacked() override { return static_cast<size_t>(socket_.unacked_bytes()); }
  void finish() override { socket_.shutdown_write(); }
  void reset() override { socket_.close(event::CloseMode::kReset); }
  void close() override {
    if (!socket_.is_closed()) socket_.close(event::CloseMode::kFin);
  }

 private:
  sim::SimSocket& socket_;
};

class SimWorld final : public World {
 public:
  SimWorld(const sim::SimOptions& sim_options, const event::EngineOptions& options)
      : network_(sim_options, 1'000'000), engine_(network_, options) {}

  event::Engine& engine() override { return engine_; }

  Pair make_pair() override {
    const auto [fd, far] =
        network_.make_connection(ip_address("192.0.2.1", 80), ip_address("192.0.2.2", 1234));
    return {fd, std::make_unique<SimPeer>(*far)};
  }

  int make_listener(int backlog) override {
    return network_.listen(next_address(), static_cast<size_t>(backlog));
  }
  net::Address address_of(int listen_fd) override { return network_.address_of(listen_fd); }

  std::unique_ptr<Peer> dial(int listen_fd) override {
    sim::SimSocket* far = network_.dial(listen_fd, ip_address("192.0.2.2", 1234));
    return far == nullptr ? nullptr : std::make_unique<SimPeer>(*far);
  }

  net::Address refusing_address() override { return ip_address("192.0.2.3", 80); }

  net::Address silent_address() override {
    const net::Address address = ip_address("192.0.2.4", 80);
    network_.add_server(address, {[] { return sim::SimAnswer{0, true, 0}; }, {}});
    return address;
  }

  void limit_fds(size_t more) override { network_.set_fd_limit(network_.open_fds() + more); }
  void allow_fds() override { network_.set_fd_limit(SIZE_MAX); }
  util::MonoTimeMs clock_ms() override { return network_.schedule().now_ms(); }

 private:
  net::Address next_address() { return ip_address("192.0.2.1", ++last_port_); }

  sim::SimNetwork network_;
  sim::SimEngine engine_;
  uint16_t last_port_ = 0;
};

}  // namespace

std::unique_ptr<World> make_sim_world(const event::EngineOptions& options) {
  sim::SimOptions sim_options;
  sim_options.seed = test_seed();
  sim_options.starve_one_in = 50;
  sim_options.min_socket_bytes = 2048;
  sim_options.max_socket_bytes = 500'000;
  return std::make_unique<SimWorld>(sim_options, options);
}

}  // namespace lb::test
