#include "test/support/temp_dir.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "test/support/failure.h"

namespace lb::test {

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "sluice-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) fail_errno("mkdtemp " + name);
  path_ = name;
  // Programs that give up root read their files here as well.
  if (::chmod(path_.c_str(), 0755) != 0) fail_errno("chmod " + path_);
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::write(const std::string& name, std::string_view text) const {
  std::ofstream file(path(name), std::ios::binary | std::ios::trunc);
  file << text;
  if (!file.flush()) throw Failure("cannot write " + path(name));
  return path(name);
}

}  // namespace lb::test
