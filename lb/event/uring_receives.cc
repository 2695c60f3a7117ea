#include "lb/event/uring_receives.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "lb/event/uring_buffers.h"
#include "lb/util/assert.h"

namespace lb::event {
namespace {

// A receive that stays armed until it has taken `total_bytes`, or one buffer's worth more.
void prepare(io_uring_sqe& entry, int fd, uint32_t max_bytes, uint32_t total_bytes) {
  io_uring_prep_recv_multishot(&entry, fd, nullptr, max_bytes, 0);
  // Newer headers call it optlen.
  entry.file_index = total_bytes;
  entry.flags |= IOSQE_BUFFER_SELECT;
  entry.buf_group = UringBuffers::kGroup;
}

}  // namespace

bool UringReceives::is_supported() {
  io_uring ring;
  if (io_uring_queue_init(1, &ring, 0) < 0) return false;
  // A kernel that does not know the bound refuses the field before it looks at the descriptor.
  prepare(*io_uring_get_sqe(&ring), -1, 1, 1);
  io_uring_cqe* completion = nullptr;
  const bool has_answer = io_uring_submit(&ring) == 1 && io_uring_wait_cqe(&ring, &completion) == 0;
  const bool is_known = has_answer && completion->res == -EBADF;
  io_uring_queue_exit(&ring);
  return is_known;
}

UringReceives::Start UringReceives::start(RecvOp& op, uint32_t max_bytes) {
  Slot& slot = slot_of(op.fd);
  LB_ASSERT(slot.waiting == nullptr && !slot.is_closing);
  slot.limit_bytes = std::min(max_bytes, kParts * buffers_.buffer_size_bytes());
  op.max_bytes = std::min(max_bytes, buffers_.buffer_size_bytes());
  if (slot.ahead != nullptr) return Start::kTake;
  if (!slot.is_armed) return Start::kArm;
  slot.waiting = &op;
  return Start::kWait;
}

bool UringReceives::pays(const RecvOp& op) const {
  const Slot* slot = find(op.fd);
  if (!is_allowed_ || slot == nullptr || slot->has_hung_up) return false;
  // When buffers get scarce, nobody holds some without having asked for them.
  const bool is_scarce = buffers_.lent() > buffers_.max_buffers() / 2;
  return slot->short_receives == kMinShortReceives && !is_scarce &&
         slot->limit_bytes / kParts >= kMinPartBytes;
}

void UringReceives::arm(io_uring_sqe& entry, RecvOp& op) {
  Slot& slot = slot_of(op.fd);
  LB_ASSERT(slot.is_watched && !slot.is_armed);
  const uint32_t part_bytes = slot.limit_bytes / kParts;
  // The last receive begins below the total and may go beyond it.
  prepare(entry, op.fd, part_bytes, slot.limit_bytes - part_bytes + 1);
  entry.user_data = name_of(op.fd);
  slot.waiting = &op;
  slot.is_armed = true;
  slot.is_stopping = false;
}

bool UringReceives::is_watched(int fd) const {
  const Slot* slot = find(fd);
  return slot != nullptr && slot->is_watched;
}

void UringReceives::watch(io_uring_sqe& entry, int fd) {
  io_uring_prep_poll_add(&entry, fd, POLLRDHUP);
  entry.user_data = watch_name_of(fd);
  slot_of(fd).is_watched = true;
}

UringReceives::Outcome UringReceives::end_watch(int fd) {
  Slot& slot = slot_of(fd);
  LB_ASSERT(slot.is_watched);
  slot.is_watched = false;
  slot.has_hung_up = true;
  if (slot.is_armed) return {Next::kStop, nullptr};
  return {slot.is_closing ? Next::kClose : Next::kNothing, nullptr};
}

void UringReceives::note_plain(const RecvOp& op, int32_t result) {
  note_size(slot_of(op.fd), result);
}

UringReceives::Outcome UringReceives::take_in(int fd, int32_t result, bool is_armed_still,
                                              BufferLease lease) {
  Slot& slot = slot_of(fd);
  LB_ASSERT(slot.is_armed);
  slot.is_armed = is_armed_still;
  const bool is_retry = result == -ENOBUFS || result == -ECANCELED;
  if (result > 0) note_size(slot, result);
  if (RecvOp* op = slot.waiting; op != nullptr) {
    // Nothing is ahead of an operation that waits.
    if (is_retry && is_armed_still) return {};
    slot.waiting = nullptr;
    if (is_retry) return {result == -ENOBUFS ? Next::kStarve : Next::kArm, op};
    op->lease = std::move(lease);
    return {Next::kComplete, op};
  }
  if (result > 0) {
    keep(slot, std::move(lease));
  } else if (!is_retry) {
    ahead_of(slot).has_end = true;
    slot.ahead->end = result;
  }
  return {slot.is_closing && is_idle(slot) ? Next::kClose : Next::kNothing, nullptr};
}

void UringReceives::keep(Slot& slot, BufferLease lease) const {
  const std::span<const std::byte> bytes = lease.bytes();
  std::vector<BufferLease>& leases = ahead_of(slot).leases;
  if (!leases.empty()) {
    // Many small messages share a buffer, so that they pin few.
    BufferLease& last = leases.back();
    const size_t size_bytes = last.bytes().size();
    if (size_bytes + bytes.size() <= std::min(slot.limit_bytes, buffers_.buffer_size_bytes())) {
      std::memcpy(last.data() + size_bytes, bytes.data(), bytes.size());
      last.set_size_bytes(static_cast<uint32_t>(size_bytes + bytes.size()));
      return;
    }
  }
  leases.push_back(std::move(lease));
}

int32_t UringReceives::take(RecvOp& op) {
  Slot& slot = slot_of(op.fd);
  Ahead& ahead = *slot.ahead;
  int32_t result = ahead.end;
  if (ahead.leases.empty()) {
    LB_ASSERT(ahead.has_end);
    ahead.has_end = false;
  } else {
    op.lease = std::move(ahead.leases.front());
    ahead.leases.erase(ahead.leases.begin());
    LB_ASSERT(op.lease.bytes().size() <= op.max_bytes);
    result = static_cast<int32_t>(op.lease.bytes().size());
  }
  if (ahead.leases.empty() && !ahead.has_end) slot.ahead.reset();
  return result;
}

bool UringReceives::forget(const RecvOp& op) {
  Slot& slot = slot_of(op.fd);
  if (slot.waiting != &op) return false;
  slot.waiting = nullptr;
  return true;
}

bool UringReceives::stop(int fd) {
  Slot& slot = slot_of(fd);
  if (!slot.is_armed || slot.is_stopping) return false;
  slot.is_stopping = true;
  return true;
}

bool UringReceives::is_stopping(uint64_t name) const {
  const Slot* slot = find(fd_of(name));
  if (slot == nullptr) return false;
  return is_watch_name(name) ? slot->is_watched && slot->is_closing
                             : slot->is_armed && slot->is_stopping;
}

std::optional<CloseMode> UringReceives::close(int fd, CloseMode mode) {
  if (static_cast<size_t>(fd) >= slots_.size()) return mode;
  Slot& slot = slot_of(fd);
  LB_ASSERT(slot.waiting == nullptr && !slot.is_closing);
  slot.is_closing_with_reset = mode == CloseMode::kReset;
  if (is_idle(slot)) return end_of(slot);
  slot.is_closing = true;
  return std::nullopt;
}

CloseMode UringReceives::finish_closing(int fd) { return end_of(slot_of(fd)); }

std::vector<int> UringReceives::closing() const {
  std::vector<int> fds;
  for (size_t fd = 0; fd < slots_.size(); ++fd) {
    if (slots_[fd].is_closing) fds.push_back(static_cast<int>(fd));
  }
  return fds;
}

CloseMode UringReceives::end_of(Slot& slot) {
  // To close a socket with bytes unread resets it; these would be in the socket still.
  const bool has_bytes = slot.ahead != nullptr && !slot.ahead->leases.empty();
  const bool is_reset = slot.is_closing_with_reset || has_bytes;
  slot = Slot();
  return is_reset ? CloseMode::kReset : CloseMode::kFin;
}

bool UringReceives::has_failed(int fd) const {
  const Slot* slot = find(fd);
  return slot != nullptr && slot->ahead != nullptr && slot->ahead->has_end && slot->ahead->end < 0;
}

UringReceives::Ahead& UringReceives::ahead_of(Slot& slot) {
  if (slot.ahead == nullptr) slot.ahead = std::make_unique<Ahead>();
  return *slot.ahead;
}

UringReceives::Slot& UringReceives::slot_of(int fd) {
  const auto index = static_cast<size_t>(fd);
  if (index >= slots_.size()) slots_.resize(index + 1);
  return slots_[index];
}

const UringReceives::Slot* UringReceives::find(int fd) const {
  const auto index = static_cast<size_t>(fd);
  return index < slots_.size() ? &slots_[index] : nullptr;
}

void UringReceives::note_size(Slot& slot, int32_t result) {
  const bool is_short = result > 0 && static_cast<uint32_t>(result) < slot.limit_bytes / kParts;
  if (!is_short) {
    slot.short_receives = 0;
  } else if (slot.short_receives < kMinShortReceives) {
    ++slot.short_receives;
  }
}

}  // namespace lb::event
