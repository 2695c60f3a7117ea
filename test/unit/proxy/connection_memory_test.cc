// What a connection costs while it is idle: its place in the slab, and no buffer and no pipe.
#include "lb/event/op.h"
#include "lb/proxy/connection.h"
#include "lb/proxy/flow.h"
#include "test/support/catch.h"

namespace lb::proxy {

TEST_CASE("connection: ten thousand idle ones take less than 7 MB") {
  CHECK(sizeof(event::Op) <= 40);
  CHECK(sizeof(event::RecvOp) <= 80);
  CHECK(sizeof(event::SendOp) <= 56);
  CHECK(sizeof(Flow) <= 192);
  CHECK(sizeof(Connection) <= 680);
}

}  // namespace lb::proxy
