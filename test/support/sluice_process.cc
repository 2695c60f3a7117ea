#include "test/support/sluice_process.h"

#include <signal.h>

#include <cstdlib>
#include <filesystem>

#include "test/support/eventually.h"
#include "test/support/failure.h"
#include "test/support/process_stats.h"

namespace lb::test {
namespace {

constexpr std::chrono::seconds kStartPatience(20);

std::vector<AccessRecord> parse_records(const std::vector<std::string>& lines) {
  std::vector<AccessRecord> records;
  for (const std::string& line : lines) {
    if (auto record = AccessRecord::parse(line)) records.push_back(std::move(*record));
  }
  return records;
}

}  // namespace

std::string sluice_path() {
  const char* path = std::getenv("SLUICE_BIN");
  if (path == nullptr) throw Failure("SLUICE_BIN is not set: run the tests through meson");
  return path;
}

SluiceProcess::SluiceProcess(std::string_view config, const SluiceOptions& options) {
  write_config(config);
  SpawnOptions spawn = {.argv = {sluice_path(), "run", "--config", dir_.path("sluice.toml"),
                                 "--engine", options.engine},
                        .environment = options.environment,
                        .before_exec = options.before_exec};
  spawn.argv.insert(spawn.argv.end(), options.arguments.begin(), options.arguments.end());
  child_ = std::make_unique<ChildProcess>(spawn);
  if (!options.wait_ready) return;
  if (!log().wait_for_line("msg=ready", kStartPatience)) {
    throw Failure("sluice did not become ready:\n" + log().text() + "configuration:\n" +
                  std::string(config));
  }
  fds_at_ready_ = open_fd_count(pid());
  pipe_ends_at_ready_ = pipe_end_count(pid());
}

void SluiceProcess::write_config(std::string_view config) const {
  std::string text(config);
  if (text.find("[admin]") == std::string::npos) {
    text += "\n[admin]\nsocket = \"" + control_socket() + "\"\n";
  }
  write_verbatim(text);
}

void SluiceProcess::write_verbatim(std::string_view text) const {
  dir_.write("new.toml", text);
  std::filesystem::rename(dir_.path("new.toml"), dir_.path("sluice.toml"));
}

CommandResult SluiceProcess::command(std::vector<std::string> arguments) const {
  arguments.insert(arguments.end(), {"--socket", control_socket()});
  return run_sluice(std::move(arguments));
}

std::vector<AccessRecord> SluiceProcess::records() const { return parse_records(log().lines()); }

std::vector<AccessRecord> SluiceProcess::wait_records(size_t count) const {
  if (!eventually([&] { return records().size() >= count; })) {
    throw Failure("access records: " + std::to_string(records().size()) + " of " +
                  std::to_string(count) + ":\n" + log().text());
  }
  return records();
}

AccessRecord SluiceProcess::wait_record(const std::string& client) const {
  const auto line = log().wait_for(
      [&](const std::string& text) {
        const auto record = AccessRecord::parse(text);
        return record.has_value() && record->has("client") && record->text("client") == client;
      },
      std::chrono::seconds(5));
  if (!line.has_value()) throw Failure("no access record of " + client + ":\n" + log().text());
  return *AccessRecord::parse(*line);
}

void SluiceProcess::wait_quiet() const {
  const auto count = [&] {
    return open_fd_count(pid()) - (pipe_end_count(pid()) - pipe_ends_at_ready_);
  };
  if (eventually([&] { return count() <= fds_at_ready_; })) return;
  throw Failure("descriptors left: " + std::to_string(count()) + " instead of " +
                std::to_string(fds_at_ready_));
}

void SluiceProcess::stop() {
  wait_quiet();
  send_signal(SIGTERM);
  const int code = wait_exit();
  if (code != 0) throw Failure("exit code " + std::to_string(code) + ":\n" + log().text());
}

int SluiceProcess::wait_exit(std::chrono::milliseconds timeout) {
  const int code = child_->wait_code(timeout);
  log().wait_closed();
  for (const char* report : {"Sanitizer", "runtime error:", "assert"}) {
    if (log().count(report) > 0) throw Failure("the process complains:\n" + log().text());
  }
  return code;
}

CommandResult run_sluice(std::vector<std::string> arguments,
                         const std::function<void()>& before_exec) {
  arguments.insert(arguments.begin(), sluice_path());
  return run_command({.argv = std::move(arguments), .before_exec = before_exec});
}

}  // namespace lb::test
