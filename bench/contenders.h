// Who is compared: Sluice, the balancers that are installed, and the bare relays; each with the
// configuration that its experts would give it for one core and no log.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lb/net/address.h"

namespace lb::bench {

enum class Role { kSluice, kPeer, kFloor };

// What a configuration is written for.
struct Setting {
  net::Address listen;
  // Several, so that a proxy that opens and closes connections fast does not run out of source
  // ports, and because that is what a balancer is for.
  std::vector<net::Address> backends;
  uint64_t open_files = 20'000;
  std::string folder;  // for files of the program's own
};

struct Contender {
  std::string name;
  Role role = Role::kSluice;
  std::string program;            // a path
  bool for_streams_only = false;  // differs from another only in how it moves bulk
  // The configuration's text, and the arguments, of which "CONFIG" stands for its file and "LISTEN"
  // and "BACKENDS" for the addresses.
  std::string (*config)(const Contender&, const Setting&) = nullptr;
  std::vector<std::string> arguments = {};
  std::string engine = {};  // of Sluice
  std::string splice = {};  // of Sluice: the key's value; of HAProxy: the option's line
};

std::string sluice_config(const Contender& contender, const Setting& setting);
std::string haproxy_config(const Contender& contender, const Setting& setting);
std::string nginx_config(const Contender& contender, const Setting& setting);

// Looks the programs up in PATH and /usr/sbin; what is not there is named in `missing`. `self` is
// the path of this program, which is the bare relays as well.
std::vector<Contender> find_contenders(const std::string& sluice_path, const std::string& self,
                                       std::vector<std::string>* missing);
// The first line of what the program says about its version.
std::string version_of(const Contender& contender);

}  // namespace lb::bench
