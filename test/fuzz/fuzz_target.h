// What every fuzzer of this folder is: one function. fuzz_main.cc feeds it in the normal test
// suite, libfuzzer_main.cc under libFuzzer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lb::fuzz {

// Takes any bytes; aborts the process when what it tests breaks a promise.
void fuzz_one(const uint8_t* data, size_t size_bytes);

// Aborts with the sentence when `holds` is false.
void require(bool holds, const char* promise);

}  // namespace lb::fuzz
