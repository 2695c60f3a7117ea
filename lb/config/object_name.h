// The identity of an object of one kind: namespace and name, as in Kubernetes.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace lb::config {

inline constexpr std::string_view kDefaultNamespace = "default";

struct ObjectName {
  std::string ns{kDefaultNamespace};
  std::string name;

  // By namespace, then name: the API's last word when two routes want the same listener.
  friend bool operator==(const ObjectName&, const ObjectName&) = default;
  friend std::strong_ordering operator<=>(const ObjectName& a, const ObjectName& b) {
    return std::tie(a.ns, a.name) <=> std::tie(b.ns, b.name);
  }

  template <typename H>
  // NOLINTNEXTLINE(readability-identifier-naming): the name is Abseil's.
  friend H AbslHashValue(H h, const ObjectName& object) {
    return H::combine(std::move(h), object.ns, object.name);
  }
};

// "name" inside the namespace default, else "namespace/name"; how logs, metrics and messages name
// an object.
inline std::string to_string(const ObjectName& object) {
  return object.ns == kDefaultNamespace ? object.name : object.ns + "/" + object.name;
}

}  // namespace lb::config
