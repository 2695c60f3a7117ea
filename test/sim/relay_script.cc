#include "test/sim/relay_script.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fmt/format.h"

namespace lb::sim {
namespace {

const char* name_of(ScriptPlan::Leave leave) {
  switch (leave) {
    case ScriptPlan::Leave::kFinish:
      return "finish";
    case ScriptPlan::Leave::kFinishAfterPeer:
      return "finish after the peer";
    case ScriptPlan::Leave::kFinishAfterHead:
      return "finish after the preamble";
    case ScriptPlan::Leave::kReset:
      return "reset";
    case ScriptPlan::Leave::kClose:
      return "close";
    case ScriptPlan::Leave::kNever:
      return "never";
  }
  return "";
}

// Of a stream that begins with `opening`, the part of it in bytes from `offset` on.
void lay_over(std::span<std::byte> bytes, const std::string& opening, uint64_t offset) {
  if (bytes.empty() || offset >= opening.size()) return;
  const size_t count = std::min<size_t>(bytes.size(), opening.size() - offset);
  std::memcpy(bytes.data(), opening.data() + offset, count);
}

}  // namespace

std::string ScriptPlan::describe() const {
  std::string text =
      fmt::format("{} bytes, writes <= {}, reads <= {}, pauses <= {} ms, {}", size_bytes,
                  max_write_bytes, max_read_bytes, max_pause_ms, name_of(leave));
  if (leave == Leave::kReset || leave == Leave::kClose) text += fmt::format(" at {} ms", leave_ms);
  if (burst_bytes > 0) {
    text += fmt::format(", bursts of {}, then {} with pauses of {} ms", burst_bytes, talk_bytes,
                        talk_pause_ms);
  }
  if (stall_ms > 0) text += fmt::format(", stalls after {} for {} ms", stall_after_bytes, stall_ms);
  return text;
}

Script::Script(SimSchedule& schedule, SimSocket& socket, const ScriptPlan& plan, uint64_t out_seed,
               uint64_t in_seed)
    : schedule_(schedule), socket_(socket), plan_(plan), out_(out_seed), in_(in_seed) {}

std::string Script::describe() const {
  return fmt::format("sent {} ({} arrived), received {}{}{}{}{}", written_bytes_, arrived_bytes(),
                     received_bytes(), has_finished_ ? ", finished" : "",
                     has_reset_ ? ", has reset" : "", end_ == End::kFIN ? ", saw FIN" : "",
                     end_ == End::kRST ? ", saw RST" : "");
}

void Script::start() {
  socket_.set_observer([this] { step_soon(); });
  if (plan_.leave == ScriptPlan::Leave::kReset || plan_.leave == ScriptPlan::Leave::kClose) {
    schedule_.after(plan_.leave_ms, [this] { leave(); });
  }
  step_soon();
}

void Script::drain() {
  is_draining_ = true;
  is_stalled_ = false;
  step_soon();
}

void Script::leave() {
  if (socket_.is_closed() || is_draining_) return;
  has_left_ = true;
  left_ms_ = schedule_.now_ms();
  if (plan_.leave == ScriptPlan::Leave::kReset) {
    has_reset_ = true;
    socket_.close(event::CloseMode::kReset);
    return;
  }
  // The kernel makes a RST of it when there is something unread.
  has_reset_ = socket_.readable() > 0;
  has_finished_ = !has_reset_;
  socket_.close(event::CloseMode::kFin);
}

void Script::step_soon() {
  if (step_is_scheduled_ || socket_.is_closed()) return;
  step_is_scheduled_ = true;
  schedule_.after(static_cast<int64_t>(schedule_.random().below(plan_.max_pause_ms + 1)), [this] {
    step_is_scheduled_ = false;
    if (!socket_.is_closed()) step();
  });
}

void Script::step() {
  const bool has_read = read();
  const bool has_written = write();
  if (has_read || has_written) step_soon();
  if (end_ == End::kRST || (end_ == End::kFIN && (has_finished_ || is_draining_))) {
    socket_.close(event::CloseMode::kFin);
  }
}

bool Script::read() {
  if (end_ != End::kNone) return false;
  if (!has_stalled_ && plan_.stall_ms > 0 && in_.offset() >= plan_.stall_after_bytes) {
    has_stalled_ = true;
    if (!is_draining_) {
      is_stalled_ = true;
      if (plan_.stall_ms != util::kNever) {
        schedule_.after(plan_.stall_ms, [this] {
          is_stalled_ = false;
          step_soon();
        });
      }
    }
  }
  if (is_stalled_) return false;
  std::string buffer(1 + schedule_.random().below(plan_.max_read_bytes), '\0');
  const auto bytes = std::as_writable_bytes(std::span(buffer));
  const int32_t result = socket_.recv(bytes);
  if (result == -EAGAIN) return false;
  if (result > 0) {
    take(bytes.first(static_cast<size_t>(result)));
  } else {
    end_ = result == 0 && !is_broken_ ? End::kFIN : End::kRST;
  }
  return true;
}

void Script::expect_preamble(std::vector<std::string> choices) {
  preambles_ = std::move(choices);
  if (preambles_.front().empty()) preambles_.clear();
}

void Script::take_preamble(std::span<const std::byte>& bytes) {
  while (!preambles_.empty() && !bytes.empty() && !has_wrong_bytes_) {
    const auto byte = static_cast<char>(bytes.front());
    bytes = bytes.subspan(1);
    std::erase_if(preambles_, [&](const std::string& left) { return left.front() != byte; });
    has_wrong_bytes_ = preambles_.empty();
    for (std::string& left : preambles_) left.erase(0, 1);
    const bool is_whole = std::any_of(preambles_.begin(), preambles_.end(),
                                      [](const std::string& left) { return left.empty(); });
    if (is_whole) preambles_.clear();
  }
}

void Script::take(std::span<const std::byte> bytes) {
  take_preamble(bytes);
  std::vector<std::byte> expected(bytes.size());
  const uint64_t offset = in_.offset();
  in_.fill(expected);
  lay_over(expected, in_opening_, offset);
  has_wrong_bytes_ |= !std::equal(bytes.begin(), bytes.end(), expected.begin());
}

uint64_t Script::next_size() {
  constexpr uint64_t kMaxTalkBytes = 60;
  if (plan_.burst_bytes == 0) return 1 + schedule_.random().below(plan_.max_write_bytes);
  const uint64_t in_round = written_bytes_ % (plan_.burst_bytes + plan_.talk_bytes);
  if (in_round < plan_.burst_bytes) {
    return std::min(plan_.burst_bytes - in_round, uint64_t{plan_.max_write_bytes});
  }
  if (schedule_.now_ms() < next_talk_ms_) return 0;
  next_talk_ms_ = schedule_.now_ms() + plan_.talk_pause_ms;
  schedule_.after(plan_.talk_pause_ms, [this] { step_soon(); });
  return 1 + schedule_.random().below(kMaxTalkBytes);
}

bool Script::write() {
  if (is_broken_ || has_finished_ || is_draining_) return false;
  if (pending_.empty() && written_bytes_ < plan_.size_bytes) {
    const uint64_t size_bytes = next_size();
    if (size_bytes == 0) return false;
    pending_.resize(std::min(plan_.size_bytes - written_bytes_, size_bytes));
    const std::span bytes = std::as_writable_bytes(std::span(pending_));
    out_.fill(bytes);
    lay_over(bytes, plan_.opening, written_bytes_);
  }
  if (!pending_.empty()) {
    const int32_t result = socket_.send(std::as_bytes(std::span(pending_)));
    if (result == -EAGAIN) return false;
    if (result < 0) {
      is_broken_ = true;
      return true;  // what is left is still to be read
    }
    written_bytes_ += static_cast<uint64_t>(result);
    pending_.erase(0, static_cast<size_t>(result));
    return true;
  }
  const bool wants_to_finish =
      plan_.leave == ScriptPlan::Leave::kFinish ||
      (plan_.leave == ScriptPlan::Leave::kFinishAfterPeer && end_ == End::kFIN) ||
      (plan_.leave == ScriptPlan::Leave::kFinishAfterHead && has_preamble());
  if (!wants_to_finish) return false;
  socket_.shutdown_write();
  has_finished_ = true;
  return true;
}

}  // namespace lb::sim
