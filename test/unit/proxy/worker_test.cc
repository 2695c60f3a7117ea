// A worker that ends while a connection is on its way to it, in an order that cannot be had by
// chance.
#include "lb/proxy/worker.h"

#include <future>
#include <latch>
#include <memory>
#include <thread>

#include "lb/proxy/hand_over.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/eventually.h"
#include "test/support/tcp_backend.h"
#include "test/unit/proxy/compiled_text.h"

namespace lb::proxy {
namespace {

event::EngineOptions few_buffers() {
  event::EngineOptions options;
  options.max_buffers = 16;
  return options;
}

// Worker 0, real, and worker 1, which is the test's own thread and hands over.
class TwoWorkers {
 public:
  explicit TwoWorkers(const net::Address& endpoint) {
    REQUIRE(worker_.start(event::EngineKind::kEpoll, few_buffers()).ok());
    const auto snapshot = compile_text(
        routed_to("{ name = 's', port = 1 }") +
        "[[services]]\nname = 's'\nports = [{ port = 1 }]\nendpoints = [{ address = '127.0.0.1', "
        "port = " +
        std::to_string(endpoint.port()) + " }]\n");
    std::shared_ptr<Router> router = worker_.make_router(snapshot, 0);
    own_router_ = std::make_shared<Router>(snapshot, 1, own_stats_);
    Router::introduce({router, own_router_});
    // Holds the worker up, in its thread, while the test prepares what it is to find at once.
    worker_.adopt(router, {}, [this] { go_on_.wait(); });
  }

  Worker& worker() { return worker_; }
  void go_on() { go_on_.count_down(); }

  // A client that the other worker has accepted, and given away.
  test::Socket hand_over() {
    const net::UniqueFd listener = test::listen_on(test::ip_address("127.0.0.1", 0));
    test::Socket client = test::Socket::connect(net::local_address(listener.get()));
    int accepted = -1;
    REQUIRE(test::eventually([&] {
      accepted = accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      return accepted >= 0;
    }));
    hand_over_.set_active(100);
    REQUIRE(hand_over_.offer(accepted, *own_router_, 0, 0));
    return client;
  }

 private:
  util::LogSink sink_{2, util::RecordFormat::kLogfmt};
  util::Log log_{sink_, util::LogLevel::kError, util::RecordFormat::kLogfmt};
  util::LogLimit pause_limit_;
  std::unique_ptr<event::Engine> engine_ =
      *event::make_engine(event::EngineKind::kEpoll, few_buffers());
  WorkerLoads loads_{2};
  ConnectionBudget budget_{0, 1000, loads_};
  WorkerStats own_stats_;
  std::shared_ptr<Router> own_router_;
  HandOver hand_over_{loads_, 1, *engine_, 1};
  std::latch go_on_{1};
  Worker worker_{0, {*engine_, budget_, loads_, log_, pause_limit_}};
};

}  // namespace

TEST_CASE("worker: a drain waits for a connection that is on its way, and serves it") {
  test::TcpBackend backend(test::echo);
  TwoWorkers two(backend.address());
  std::atomic<bool> is_drained = false;
  two.worker().drain([&] { is_drained = true; });
  test::Socket client = two.hand_over();
  two.go_on();
  CHECK_NOTHROW(test::expect_echo(client, "hello"));
  CHECK(!is_drained);
  client.finish();
  CHECK_NOTHROW(client.expect_fin());
  CHECK(test::eventually([&] { return is_drained.load(); }));
}

TEST_CASE("worker: a stop waits for a connection that is on its way, and resets it") {
  test::TcpBackend backend(test::hold);
  TwoWorkers two(backend.address());
  std::promise<void> stopping;
  std::thread control([&] {
    stopping.set_value();
    two.worker().stop();
  });
  stopping.get_future().wait();
  test::Socket client = two.hand_over();
  two.go_on();
  control.join();
  CHECK_NOTHROW(client.expect_reset());
}

}  // namespace lb::proxy
