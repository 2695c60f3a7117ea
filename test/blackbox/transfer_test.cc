// Digests of both directions: 10 000 random connections, and a gigabyte each way at once.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "lb/util/random.h"
#include "test/blackbox/exchange.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/process_stats.h"
#include "test/support/scale.h"
#include "test/support/tcp_backend.h"

namespace lb::test {
namespace {

// What one connection does, on both of its sides; made from a seed and the connection's number.
struct Conversation {
  ExchangePlan up;
  ExchangePlan down;
  bool has_reset = false;
};

// Sizes are spread over their magnitudes: nothing, a few bytes, a segment, more than all buffers.
uint64_t random_size(util::Random& random) {
  if (random.one_in(10)) return 0;
  const uint64_t magnitude = random.one_in(50) ? 22 : random.below(18);
  return random.below(uint64_t{1} << (magnitude + 1));
}

std::function<size_t()> random_chunks(uint64_t seed, util::Random& random) {
  const uint64_t magnitude = 4 + random.below(14);
  const bool pauses = random.one_in(4);
  return [=, own = util::Random(seed), left = 20]() mutable {
    if (pauses && left > 0 && own.one_in(4)) {
      --left;
      std::this_thread::sleep_for(std::chrono::microseconds(own.below(2000)));
    }
    return static_cast<size_t>(1 + own.below(uint64_t{1} << magnitude));
  };
}

Conversation make_conversation(uint64_t seed, uint64_t number) {
  util::Random random(seed + number * 0x9e3779b97f4a7c15);
  Conversation conversation;
  for (ExchangePlan* plan : {&conversation.up, &conversation.down}) {
    plan->seed = random.next();
    plan->size_bytes = random_size(random);
    plan->next_chunk = random_chunks(random.next(), random);
  }
  const uint64_t order = random.below(3);  // who waits for whom; 2 = nobody
  conversation.up.finish_last = order == 0;
  conversation.down.finish_last = order == 1;
  if (random.one_in(20)) {
    ExchangePlan& plan = random.one_in(2) ? conversation.up : conversation.down;
    if (plan.size_bytes > 0) plan.reset_after_bytes = random.below(plan.size_bytes);
    conversation.has_reset = plan.size_bytes > 0;
  }
  return conversation;
}

// Both sides of every conversation, and where they differ.
class Ledger {
 public:
  void add_backend(uint64_t number, ExchangeResult result) {
    const std::lock_guard lock(mutex_);
    backend_results_[number] = std::move(result);
  }
  void add_client(uint64_t number, ExchangeResult result) {
    const std::lock_guard lock(mutex_);
    client_results_[number] = std::move(result);
  }
  void add_failure(std::string text) {
    const std::lock_guard lock(mutex_);
    failures_.push_back(std::move(text));
  }

  std::vector<std::string> differences(uint64_t seed, uint64_t count) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> found = failures_;
    for (uint64_t number = 0; number < count; ++number) {
      const auto client = client_results_.find(number);
      const auto backend = backend_results_.find(number);
      // A RST may overtake the connection's first bytes, so only the others must have both.
      if (make_conversation(seed, number).has_reset) continue;
      if (client == client_results_.end() || backend == backend_results_.end()) {
        found.push_back(fmt::format("connection {} has one side only", number));
      } else if (client->second.end != Socket::End::kFIN ||
                 backend->second.end != Socket::End::kFIN) {
        found.push_back(fmt::format("connection {} was reset", number));
      } else if (client->second.sent_sha256 != backend->second.received_sha256) {
        found.push_back(fmt::format("connection {} differs upwards", number));
      } else if (backend->second.sent_sha256 != client->second.received_sha256) {
        found.push_back(fmt::format("connection {} differs downwards", number));
      }
    }
    return found;
  }

 private:
  mutable std::mutex mutex_;
  std::map<uint64_t, ExchangeResult> client_results_;
  std::map<uint64_t, ExchangeResult> backend_results_;
  std::vector<std::string> failures_;
};

// The backend learns from the first eight bytes which conversation it is in.
TcpBackend::Script conversation_backend(uint64_t seed, Ledger& ledger) {
  return [seed, &ledger](Socket& socket) {
    uint64_t number = 0;
    try {
      const std::string header = socket.recv_exactly(sizeof(number));
      std::memcpy(&number, header.data(), sizeof(number));
    } catch (const Failure&) {
      return;  // A client that resets at once; differences() finds any other.
    }
    ledger.add_backend(number, exchange(socket, make_conversation(seed, number).down));
  };
}

void run_clients(const net::Address& address, uint64_t seed, uint64_t first, uint64_t end,
                 Ledger& ledger) {
  std::atomic<uint64_t> next = first;
  const auto work = [&] {
    for (uint64_t number; (number = next++) < end;) {
      try {
        Socket socket = Socket::connect(address);
        socket.send(std::as_bytes(std::span(&number, 1)));
        ledger.add_client(number, exchange(socket, make_conversation(seed, number).up));
      } catch (const std::exception& error) {
        ledger.add_failure(fmt::format("connection {}: {}", number, error.what()));
      }
    }
  };
  std::vector<std::thread> clients;
  for (int i = 0; i < 32; ++i) clients.emplace_back(work);
  for (std::thread& client : clients) client.join();
}

}  // namespace

TEST_CASE("random connections pass with nothing in between") {
  const uint64_t seed = test_seed();
  INFO("SLUICE_SEED=" << seed);
  Ledger ledger;
  TcpBackend backend(conversation_backend(seed, ledger));
  constexpr uint64_t kCount = 200;
  run_clients(backend.address(), seed, 0, kCount, ledger);
  CHECK_NOTHROW(backend.wait_finished(kCount));
  CHECK(ledger.differences(seed, kCount) == std::vector<std::string>{});
}

TEST_CASE("10 000 random connections: every byte arrives, nothing is left") {
  const auto engine = SLUICE_EACH_ENGINE();
  const uint64_t seed = test_seed();
  INFO(engine << ", SLUICE_SEED=" << seed);
  raise_open_file_limit();
  Ledger ledger;
  TcpBackend backend(conversation_backend(seed, ledger));
  // Memory is counted as far as it is touched, and meson has malloc touch all that it hands out.
  Balancer balancer(engine, {backend.address()},
                    {.process = {.environment = {{"MALLOC_PERTURB_", "0"}}}});

  const uint64_t count = scaled(10'000, 200);
  const uint64_t warm_up = count / 10;
  run_clients(balancer.address(), seed, 0, warm_up, ledger);
  REQUIRE_NOTHROW(balancer.process().wait_quiet());
  const uint64_t memory_bytes = private_dirty_bytes(balancer.process().pid());
  run_clients(balancer.address(), seed, warm_up, count, ledger);
  CHECK_NOTHROW(backend.wait_finished(static_cast<int>(warm_up)));
  CHECK(ledger.differences(seed, count) == std::vector<std::string>{});
  CHECK_NOTHROW(balancer.process().wait_quiet());
  // What the warm-up took may be kept for the next; more than a tenth on top is a leak.
  if (!is_sanitized()) {
    const uint64_t after_bytes = private_dirty_bytes(balancer.process().pid());
    CHECK(after_bytes < memory_bytes + memory_bytes / 10 + (2 << 20));
  }
  CHECK(balancer.process().wait_records(count).size() == count);
  CHECK_NOTHROW(balancer.process().stop());
}

TEST_CASE("a gigabyte each way at once", "[big]") {
  const auto engine = SLUICE_EACH_ENGINE();
  const uint64_t size_bytes = scaled(uint64_t{1} << 30);
  ExchangeResult down;
  TcpBackend backend(
      [&](Socket& socket) { down = exchange(socket, {.seed = 2, .size_bytes = size_bytes}); });
  Balancer balancer(engine, {backend.address()});
  Socket client = balancer.connect();
  const ExchangeResult up = exchange(client, {.seed = 1, .size_bytes = size_bytes});
  client.close();
  REQUIRE_NOTHROW(backend.wait_finished(1));
  CHECK(up.received_bytes == size_bytes);
  CHECK(down.received_bytes == size_bytes);
  CHECK(up.sent_sha256 == down.received_sha256);
  CHECK(down.sent_sha256 == up.received_sha256);
  const auto records = balancer.process().wait_records(1);
  CHECK(records.front().number("bytes_in") == static_cast<int64_t>(size_bytes));
  CHECK(records.front().number("bytes_out") == static_cast<int64_t>(size_bytes));
  CHECK_NOTHROW(balancer.process().stop());
}

}  // namespace lb::test
