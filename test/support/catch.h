// The one place that knows which Catch2 this machine has: 2 is one header, 3 is a library.
#pragma once

#ifdef SLUICE_CATCH2_V3
#include <catch2/catch_all.hpp>
#include <string>

// The name that version 2 has for it.
namespace Catch {
inline auto Contains(const std::string& part) { return Matchers::ContainsSubstring(part); }
}  // namespace Catch
#else
#include <catch2/catch.hpp>
#endif
