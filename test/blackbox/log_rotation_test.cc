// SIGUSR1: the access log goes on in a new file after somebody has renamed the old one.
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "test/support/access_record.h"
#include "test/support/balancer.h"
#include "test/support/catch.h"
#include "test/support/config_text.h"
#include "test/support/engines.h"
#include "test/support/eventually.h"
#include "test/support/port_allocator.h"
#include "test/support/scale.h"
#include "test/support/tcp_backend.h"
#include "test/support/temp_dir.h"

namespace lb::test {
namespace {

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// A balancer whose access log is a file in a folder of its own.
struct Logged {
  explicit Logged(const std::string& engine) {
    std::filesystem::create_directory(folder);
    const std::string config = one_service(port, {backend.address()})
                                   .append("[accessLog]\npath = \"" + path + "\"\n")
                                   .str();
    process = std::make_unique<SluiceProcess>(config, engine);
  }

  bool connect_once() const { return served(ip_address("127.0.0.1", port)); }
  // Sends SIGUSR1 and waits until the process says what came of it.
  void reopen(const std::string& outcome) const {
    const int before = process->log().count(outcome);
    process->send_signal(SIGUSR1);
    REQUIRE(eventually([&] { return process->log().count(outcome) > before; }));
  }

  TempDir dir;
  std::string folder = dir.path("log");
  std::string path = folder + "/access.log";
  TcpBackend backend{echo};
  uint16_t port = allocate_port();
  std::unique_ptr<SluiceProcess> process;
};

}  // namespace

TEST_CASE("log rotation: under connections no record is lost, split or written twice") {
  const auto engine = SLUICE_EACH_ENGINE();
  Logged logged(engine);
  std::atomic<bool> is_over = false;
  std::atomic<size_t> connections = 0;
  std::atomic<bool> all_served = true;
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      while (!is_over) {
        try {
          if (!logged.connect_once()) all_served = false;
        } catch (const std::exception&) {
          all_served = false;
        }
        ++connections;
      }
    });
  }
  std::vector<std::string> files;
  const uint64_t rounds = scaled(20, 5);
  for (uint64_t i = 0; i < rounds; ++i) {
    // Each file gets something; the thread that writes it may have to wait for a core.
    const size_t before = connections;
    CHECK(eventually(
        [&] { return connections > before + 20 && std::filesystem::file_size(logged.path) > 0; }));
    files.push_back(logged.path + "." + std::to_string(i));
    std::filesystem::rename(logged.path, files.back());
    logged.reopen("msg=\"log reopened\"");
  }
  is_over = true;
  for (std::thread& client : clients) client.join();
  CHECK(all_served);
  logged.process->stop();
  files.push_back(logged.path);

  std::set<std::string> ids;
  size_t records = 0;
  for (const std::string& file : files) {
    INFO(file);
    const std::vector<std::string> lines = lines_of(file);
    CHECK_FALSE(lines.empty());
    for (const std::string& line : lines) {
      const auto record = AccessRecord::parse(line);
      INFO(line);
      REQUIRE(record);
      CHECK(record->has("rtt_server_us"));  // the last field
      ids.insert(record->text("id"));
      ++records;
    }
  }
  CHECK(records == connections);
  CHECK(ids.size() == connections);
}

TEST_CASE("log rotation: where the new file cannot be opened the old one goes on") {
  const auto engine = SLUICE_EACH_ENGINE();
  Logged logged(engine);
  const std::string moved = logged.dir.path("moved");
  CHECK(logged.connect_once());
  std::filesystem::rename(logged.folder, moved);
  logged.reopen("level=error msg=\"log not reopened, the old file goes on\"");
  CHECK(logged.process->log().wait_count("No such file or directory", 1) == 1);
  CHECK(logged.connect_once());
  CHECK(eventually([&] { return lines_of(moved + "/access.log").size() == 2; }));

  std::filesystem::create_directory(logged.folder);
  logged.reopen("msg=\"log reopened\"");
  CHECK(logged.connect_once());
  CHECK(eventually([&] { return lines_of(logged.path).size() == 1; }));
  CHECK(lines_of(moved + "/access.log").size() == 2);
  logged.process->stop();
}

TEST_CASE("log rotation: stderr is no file, and the process says so") {
  const auto engine = SLUICE_EACH_ENGINE();
  TcpBackend backend(echo);
  Balancer balancer(engine, {backend.address()});
  balancer.process().send_signal(SIGUSR1);
  CHECK(balancer.process().log().wait_for_line("nothing to reopen", std::chrono::seconds(5)));
  CHECK(served(balancer.address()));
  balancer.process().wait_records(1);
  balancer.process().stop();
}

}  // namespace lb::test
