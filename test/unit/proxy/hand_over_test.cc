// Who gives a connection to whom, and that each arrives once.
#include "lb/proxy/hand_over.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "lb/event/engine_factory.h"
#include "test/support/catch.h"
#include "test/support/scale.h"
#include "test/unit/proxy/compiled_text.h"

namespace lb::proxy {
namespace {

// Workers in one thread, each with an engine and a router of its own, and what they were given.
class Team {
 public:
  explicit Team(size_t size, uint64_t seed = 1) : loads_(size) {
    const auto snapshot = compile_text(routed_to("{ name = 's', port = 1 }") +
                                       "[[services]]\nname = 's'\nports = [{ port = 1 }]\n"
                                       "endpoints = [{ address = '10.0.0.1' }]\n");
    for (size_t i = 0; i < size; ++i) {
      members_.push_back(std::make_unique<Member>(loads_, i, seed));
      routers_.push_back(std::make_shared<Router>(snapshot, i, members_[i]->stats));
    }
    Router::introduce(routers_);
    for (const auto& member : members_) {
      member->hand_over.open([&member = *member](HandOver::Parcel parcel) {
        member.parcels.push_back(std::move(parcel));
      });
    }
  }

  // A connection that this worker accepts; false when it keeps it, and is counted.
  bool accept(size_t worker) {
    const int fd = eventfd(0, EFD_CLOEXEC);
    REQUIRE(fd >= 0);
    if (member(worker).hand_over.offer(fd, *routers_[worker], 0, 0)) return true;
    member(worker).kept.emplace_back(fd);
    count(worker);
    return false;
  }
  // What was posted arrives.
  void deliver() {
    for (const auto& member : members_) member->engine->run_once(0);
    for (size_t i = 0; i < members_.size(); ++i) count(i);
  }
  void count(size_t worker) {
    Member& counted = member(worker);
    counted.hand_over.set_active(counted.kept.size() + counted.parcels.size());
  }
  void set_active(size_t worker, size_t count) { member(worker).hand_over.set_active(count); }

  std::vector<size_t> counts() const {
    std::vector<size_t> counts;
    for (const auto& member : members_) {
      counts.push_back(member->kept.size() + member->parcels.size());
    }
    return counts;
  }

  WorkerLoads& loads() { return loads_; }
  HandOver& of(size_t worker) { return member(worker).hand_over; }
  const std::vector<HandOver::Parcel>& parcels(size_t worker) { return member(worker).parcels; }
  std::vector<std::shared_ptr<Router>>& routers() { return routers_; }

 private:
  struct Member {
    Member(WorkerLoads& loads, size_t index, uint64_t seed)
        : hand_over(loads, index, *engine, seed + index) {}

    std::unique_ptr<event::Engine> engine = *event::make_engine(event::EngineKind::kEpoll, {});
    WorkerStats stats;
    HandOver hand_over;
    std::vector<net::UniqueFd> kept;
    std::vector<HandOver::Parcel> parcels;
  };

  Member& member(size_t worker) { return *members_[worker]; }

  WorkerLoads loads_;
  std::vector<std::unique_ptr<Member>> members_;
  std::vector<std::shared_ptr<Router>> routers_;
};

size_t spread(const std::vector<size_t>& counts) {
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  return *most - *least;
}

}  // namespace

TEST_CASE("hand-over: worth it beyond an eighth") {
  CHECK(!HandOver::is_worth(0, 0));
  CHECK(HandOver::is_worth(1, 0));
  CHECK(!HandOver::is_worth(5, 5));
  CHECK(!HandOver::is_worth(5, 6));
  CHECK(HandOver::is_worth(7, 6));
  CHECK(!HandOver::is_worth(8, 7));
  CHECK(HandOver::is_worth(8, 6));
  CHECK(!HandOver::is_worth(1000, 875));
  CHECK(HandOver::is_worth(1000, 874));
}

TEST_CASE("hand-over: the connection arrives with its route, at the receiver's own router") {
  Team team(2);
  team.set_active(0, 1);
  const int fd = eventfd(0, EFD_CLOEXEC);
  REQUIRE(team.of(0).offer(fd, *team.routers()[0], 0, 0));
  CHECK(team.loads().load(1) == 1);
  CHECK(team.loads().handed_over(0) == 1);
  CHECK(team.parcels(1).empty());
  team.deliver();
  REQUIRE(team.parcels(1).size() == 1);
  CHECK(team.parcels(1)[0].client.get() == fd);
  CHECK(team.parcels(1)[0].router == team.routers()[1]);
  CHECK(!team.of(1).is_expecting());
}

TEST_CASE("hand-over: connections stay with a worker that is alone, light or out of partners") {
  Team alone(1);
  alone.set_active(0, 100);
  CHECK(!alone.accept(0));
  Team team(2);
  CHECK(!team.accept(0));  // both have none
  team.set_active(0, 100);
  REQUIRE(team.accept(0));
  team.of(1).close();
  team.set_active(0, 100);
  CHECK(!team.accept(0));
  // What had set out arrives all the same.
  CHECK(team.of(1).is_expecting());
  team.deliver();
  CHECK(team.parcels(1).size() == 1);
  CHECK(!team.of(1).is_expecting());
}

TEST_CASE("hand-over: a snapshot that the other worker has left keeps its connections") {
  Team team(2);
  team.set_active(0, 100);
  team.routers()[1].reset();
  CHECK(!team.accept(0));
}

TEST_CASE("hand-over: no more than the allowance") {
  Team team(2);
  int handed_over = 0;
  for (int i = 0; i < 2 * HandOver::kBurst; ++i) {
    team.set_active(0, 1'000'000);
    handed_over += team.accept(0) ? 1 : 0;
  }
  // The loop's clock stands still.
  CHECK(handed_over == HandOver::kBurst);
  team.deliver();
  CHECK(team.parcels(1).size() == HandOver::kBurst);
}

TEST_CASE("hand-over: few long connections spread evenly") {
  const uint64_t seed = test::test_seed();
  INFO("SLUICE_SEED=" << seed);
  util::Random random(seed);
  // The workers that a hash chooses; how often the most loaded has so many more than the least.
  struct Case {
    size_t workers;
    size_t connections;
    double bound;    // of the mean spread
    double without;  // what it is without hand-over
  };
  for (const Case& one : {Case{8, 16, 2.6, 3.9}, Case{4, 32, 2.8, 6.1}, Case{8, 128, 4.8, 11.1}}) {
    INFO(one.connections << " connections on " << one.workers << " workers");
    double sum = 0;
    size_t worst = 0;
    constexpr int kRounds = 100;
    for (int round = 0; round < kRounds; ++round) {
      Team team(one.workers, random.next());
      for (size_t i = 0; i < one.connections; ++i) {
        team.accept(random.below(one.workers));
        // Some arrive before the next is accepted, some after several.
        if (random.one_in(3)) team.deliver();
      }
      team.deliver();
      const std::vector<size_t> counts = team.counts();
      size_t total = 0;
      for (const size_t count : counts) total += count;
      REQUIRE(total == one.connections);
      sum += static_cast<double>(spread(counts));
      worst = std::max(worst, spread(counts));
    }
    CHECK(sum / kRounds < one.bound);
    CHECK(static_cast<double>(worst) < 1.2 * one.without);
  }
}

}  // namespace lb::proxy
