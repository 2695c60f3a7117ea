// The identity of an object of one kind: namespace and name, as in Kubernetes.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <utility>

namespace lb::config {

inline constexpr std::string_view kDefaultNamespace = "default";

struct ObjectName {
  std::string ns{kDefaultNamespace};
  std::string name;

  // By namespace, then name: the API's last word when two routes want the same listener.
  friend auto operator<=>(const ObjectName&, const ObjectName&) = default;

  template <typename H>
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
