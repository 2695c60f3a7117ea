// A kernel that refuses something, as containers and hardened hosts do.
#pragma once

namespace lb::test {

// For SpawnOptions::before_exec: from here on io_uring_setup(2) fails with `error`. Ends the
// process with code 126 when filters are not to be had.
void deny_io_uring(int error);
// The same for socket(2) of this family: what `ipv6.disable=1` and a unit's RestrictAddressFamilies
// come to.
void deny_sockets(int family, int error);

}  // namespace lb::test
