// Both ends of a pipe: a sink's file descriptor and what came out of it.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "lb/net/fd.h"
#include "test/support/catch.h"

namespace lb::test {

struct Pipe {
  Pipe() {
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    reader.reset(fds[0]);
    writer.reset(fds[1]);
  }

  net::UniqueFd reader;
  net::UniqueFd writer;
};

// Everything until the writing end is closed.
inline std::string read_to_end(int fd) {
  std::string out;
  char buffer[65536];
  for (ssize_t size = 0; (size = ::read(fd, buffer, sizeof(buffer))) > 0;) {
    out.append(buffer, static_cast<size_t>(size));
  }
  return out;
}

// The lines of a text that ends with one, without their newlines.
inline std::vector<std::string> split_lines(const std::string& text) {
  REQUIRE((text.empty() || text.back() == '\n'));
  std::vector<std::string> out;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

}  // namespace lb::test
