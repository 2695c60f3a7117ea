#include "lb/proxy/hand_over.h"

#include <algorithm>
#include <utility>

namespace lb::proxy {

HandOver::HandOver(WorkerLoads& loads, size_t worker, event::Engine& engine, uint64_t seed)
    : loads_(loads),
      worker_(worker),
      engine_(engine),
      random_(seed),
      refilled_ms_(engine.now_ms()) {}

void HandOver::open(std::function<void(Parcel)> on_parcel) {
  on_parcel_ = std::move(on_parcel);
  loads_.open(worker_, *this);
}

bool HandOver::offer(int client_fd, const Router& router, size_t listener, size_t service) {
  if (loads_.size() == 1 || !has_allowance()) return false;
  const size_t other = choose();
  if (other == worker_) return false;
  std::shared_ptr<Router> counterpart = router.counterpart(other);
  if (counterpart == nullptr) return false;
  HandOver* const receiver = loads_.set_out(other);
  if (receiver == nullptr) return false;
  --allowance_;
  loads_.count_handed_over(worker_);
  receiver->engine_.post(
      [receiver, parcel = Parcel{net::UniqueFd(client_fd), std::move(counterpart), listener,
                                 service}]() mutable {
        receiver->loads_.arrived(receiver->worker_);
        receiver->on_parcel_(std::move(parcel));
      });
  loads_.posted(other);
  return true;
}

size_t HandOver::choose() {
  const uint64_t own = loads_.load(worker_);
  if (!is_worth(own, 0)) return worker_;
  size_t other = random_.below(loads_.size() - 1);
  if (other >= worker_) ++other;
  return is_worth(own, loads_.load(other)) ? other : worker_;
}

bool HandOver::has_allowance() {
  const int64_t earned = (engine_.now_ms() - refilled_ms_) / kMsPerHandOver;
  refilled_ms_ += earned * kMsPerHandOver;
  allowance_ = std::min(allowance_ + earned, kBurst);
  return allowance_ > 0;
}

}  // namespace lb::proxy
