// libFuzzer's way in; -Dfuzz=true, with clang.
#include "test/fuzz/fuzz_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes) {
  lb::fuzz::fuzz_one(data, size_bytes);
  return 0;
}
