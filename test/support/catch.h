// The one place that knows which Catch2 this machine has: 2 is one header, 3 is a library.
#pragma once

#ifdef SLUICE_CATCH2_V3
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
