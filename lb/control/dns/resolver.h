// What is asked of the DNS and what comes back, as values, and who is asked. Control thread.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lb/event/engine.h"
#include "lb/net/address.h"

namespace lb::control {

enum class RecordType { kA, kAAAA, kSRV };

enum class LookupResult {
  kFound,
  kNotFound,  // the name, or a record of this type
  kTimeout,
  kFailed,
};
inline constexpr size_t kLookupResults = 4;

// One record of type SRV (RFC 2782).
struct ServiceRecord {
  uint16_t priority = 0;  // lower ones first
  uint16_t weight = 0;
  uint16_t port = 0;
  std::string target;

  friend auto operator<=>(const ServiceRecord&, const ServiceRecord&) = default;
};

struct Answer {
  LookupResult result = LookupResult::kFailed;
  std::vector<std::string> addresses;   // of kA and kAAAA, in one spelling
  std::vector<ServiceRecord> services;  // of kSRV
  int64_t ttl_ms = 0;
  std::string why;  // in words, when nothing was found
};

class Resolver {
 public:
  using OnAnswer = std::function<void(const Answer&)>;

  virtual ~Resolver() = default;

  // A name that ends with a dot is absolute: no search domain is put behind it. Calls `on_answer`
  // once, from a later turn of the loop; never again once the resolver is gone, which must not
  // happen inside `on_answer`.
  virtual void ask(const std::string& name, RecordType type, OnAnswer on_answer) = 0;
};

// Asks with c-ares, in the loop of `engine`, which must outlive it and turn once more after it.
// Without servers names are looked up as the system does: its hosts file, servers and search
// domains. With servers it asks these and nothing else. Null when the system's files cannot be used
// or there is no memory.
std::unique_ptr<Resolver> make_cares_resolver(event::Engine& engine,
                                              const std::vector<net::Address>& servers);

}  // namespace lb::control
