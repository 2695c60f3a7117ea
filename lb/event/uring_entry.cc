#include "lb/event/uring_entry.h"

#include <poll.h>
#include <sys/socket.h>

#include "lb/event/uring_buffers.h"
#include "lb/util/assert.h"

namespace lb::event {
namespace {

void fill_operation(io_uring_sqe* entry, const Op& op) {
  constexpr int kNewSocket = SOCK_NONBLOCK | SOCK_CLOEXEC;
  switch (op.kind) {
    case Op::Kind::kAccept:
      if (static_cast<const AcceptOp&>(op).many) {
        io_uring_prep_multishot_accept(entry, op.fd, nullptr, nullptr, kNewSocket);
      } else {
        io_uring_prep_accept(entry, op.fd, nullptr, nullptr, kNewSocket);
      }
      return;
    case Op::Kind::kConnect: {
      const net::Address& address = *static_cast<const ConnectOp&>(op).address;
      io_uring_prep_connect(entry, op.fd, address.data(), address.size_bytes());
      return;
    }
    case Op::Kind::kRecv:
      io_uring_prep_recv(entry, op.fd, nullptr, static_cast<const RecvOp&>(op).max_bytes, 0);
      entry->flags |= IOSQE_BUFFER_SELECT;
      entry->buf_group = UringBuffers::kGroup;
      return;
    case Op::Kind::kSend: {
      const SendOp& send = static_cast<const SendOp&>(op);
      // No MSG_WAITALL: a send that waits for the rest swallows the error of a reset, and whoever
      // receives then sees FIN.
      io_uring_prep_send(entry, op.fd, send.data + send.sent_bytes,
                         send.size_bytes - send.sent_bytes, MSG_NOSIGNAL);
      return;
    }
    case Op::Kind::kSpliceIn:
      io_uring_prep_poll_add(entry, op.fd, POLLIN);
      return;
    case Op::Kind::kSpliceOut:
      io_uring_prep_poll_add(entry, op.fd, POLLOUT);
      return;
    case Op::Kind::kPoll:
      io_uring_prep_poll_add(entry, op.fd, op.events);
      return;
    case Op::Kind::kNone:
      break;
  }
  LB_ASSERT(false);
}

}  // namespace

void fill_entry(io_uring_sqe& entry, Op& op) {
  fill_operation(&entry, op);
  entry.user_data = name_of(op);
}

void fill_cancel(io_uring_sqe& entry, uint64_t name) {
  io_uring_prep_cancel64(&entry, name, 0);
  entry.flags |= IOSQE_CQE_SKIP_SUCCESS;
  entry.user_data = name | kCancelBit;
}

}  // namespace lb::event
