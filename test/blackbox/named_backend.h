// Backends that say who they are, for tests of who serves whom.
#pragma once

#include <set>
#include <string>

#include "lb/net/address.h"
#include "test/support/sluice_process.h"
#include "test/support/tcp_backend.h"

namespace lb::test {

// A script: says the name, and then echoes.
TcpBackend::Script says(const std::string& name);

// Of the backend that a connection to `address` comes to; "-" when it is refused.
std::string name_of_backend(const net::Address& address);

using Names = std::set<std::string>;
// Those that some connections in a row come to.
Names names_of_backends(const net::Address& address, int connections = 8);
// Waits until it is these; throws, with the log of the process, when it never is.
void wait_names(const net::Address& address, const Names& wanted, const SluiceProcess& process);

}  // namespace lb::test
