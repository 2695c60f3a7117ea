// Well-known programs that tests run as servers. A test is skipped where its program is missing.
#pragma once

#include <string>
#include <vector>

#include "lb/net/address.h"
#include "test/support/child_process.h"
#include "test/support/temp_dir.h"

namespace lb::test {

// Whether all of these are there; prints a line when one is not.
bool have_programs(const std::vector<std::string>& programs);

// Throws when nothing comes to listen there.
void wait_listening(const net::Address& address);

// nginx in this folder, with these servers of HTTP.
SpawnOptions nginx_command(const TempDir& dir, const std::string& servers);

// key.pem and cert.pem in this folder: a key, and a certificate that it has signed itself. Throws
// when openssl makes none.
void make_certificate(const TempDir& dir);

class Postgres {
 public:
  // `dir` must outlive it.
  explicit Postgres(const TempDir& dir) : dir_(dir) {}

  static bool is_installed();
  // Makes an empty cluster in the folder; throws when that fails.
  void make_cluster() const;
  // Runs it, on this port of 127.0.0.1.
  SpawnOptions command(uint16_t port) const;

 private:
  const TempDir& dir_;
};

}  // namespace lb::test
