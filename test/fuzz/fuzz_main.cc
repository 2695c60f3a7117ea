// Feeds a fuzz target for a bounded time, without libFuzzer: first the corpus as it is, then random
// mutations of it. The sequence depends on the seed and the corpus alone: the same SLUICE_SEED goes
// the same way again, up to the input that failed. SLUICE_FUZZ_SECONDS changes the time.
//
// usage: fuzz_NAME CORPUS_FOLDER        the suite's way
//        fuzz_NAME FILE...              these inputs only, without mutations
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "lb/util/random.h"
#include "test/fuzz/fuzz_target.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr double kSeconds = 5;
constexpr size_t kMaxInputBytes = 16 * 1024;
// One input may take this long; more is a loop, or an algorithm that a file can bring to a halt.
constexpr std::chrono::seconds kMaxPerInput(10);

constexpr std::string_view kWords[] = {"---\n",
                                       "...\n",
                                       "\n",
                                       "\n  ",
                                       "\n- ",
                                       ": ",
                                       ", ",
                                       "[",
                                       "]",
                                       "{",
                                       "}",
                                       "[[",
                                       "]]",
                                       "&a ",
                                       "*a",
                                       "<<: ",
                                       "? ",
                                       "| \n",
                                       ">-\n",
                                       "!!str ",
                                       "!x ",
                                       "%TAG ",
                                       "\"",
                                       "'",
                                       "\"\"\"",
                                       "'''",
                                       "#",
                                       "\\u",
                                       "\\x",
                                       "\xEF\xBB\xBF",
                                       "\xC3\xA9",
                                       "\xFF",
                                       "\r\n",
                                       "\t",
                                       "=",
                                       ".",
                                       "0",
                                       "-1",
                                       "99999999999999999999",
                                       "0x7f",
                                       "1e9",
                                       "null",
                                       "true",
                                       "name",
                                       "kind",
                                       "spec",
                                       "2024-05-01T12:00:00Z"};

// The input that is being tried, for the signal handler, which can be given nothing else.
volatile std::sig_atomic_t input_number = 0;

extern "C" void on_abort(int signal) {
  char text[] = "failed at input          0\n";
  size_t at = sizeof(text) - 2;
  for (auto left = input_number; left > 0 && text[at - 1] == ' '; left /= 10) {
    text[--at] = static_cast<char>('0' + left % 10);
  }
  if (::write(STDERR_FILENO, text, sizeof(text) - 1) < 0) return;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// In the order of their names, so that a seed means the same everywhere.
std::vector<std::string> read_corpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> corpus;
  corpus.reserve(paths.size());
  for (const auto& path : paths) corpus.push_back(read_file(path));
  return corpus;
}

uint64_t seed_of_run() {
  if (const char* text = std::getenv("SLUICE_SEED")) return std::strtoull(text, nullptr, 0);
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

double seconds_of_run() {
  const char* text = std::getenv("SLUICE_FUZZ_SECONDS");
  return text == nullptr ? kSeconds : std::strtod(text, nullptr);
}

class Mutator {
 public:
  Mutator(const std::vector<std::string>& corpus, uint64_t seed) : corpus_(corpus), random_(seed) {}

  std::string next() {
    std::string text = pick();
    for (uint64_t changes = 1 + random_.below(8); changes > 0; --changes) change(text);
    text.resize(std::min(text.size(), kMaxInputBytes));
    return text;
  }

 private:
  const std::string& pick() { return corpus_[random_.below(corpus_.size())]; }
  size_t place(const std::string& text) { return random_.below(text.size() + 1); }
  std::string_view piece(const std::string& text) {
    return std::string_view(text).substr(place(text), random_.below(64));
  }

  void change(std::string& text) {
    const size_t at = place(text);
    switch (random_.below(7)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(random_.below(256));
        return;
      case 1:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << random_.below(8)));
        return;
      case 2:
        text.erase(at, random_.below(32));
        return;
      case 3:
        text.insert(at, std::string(piece(text)));
        return;
      case 4:
        text.insert(at, std::string(piece(pick())));
        return;
      case 5:
        text.resize(at);
        return;
      default:
        text.insert(at, kWords[random_.below(std::size(kWords))]);
    }
  }

  const std::vector<std::string>& corpus_;
  lb::util::Random random_;
};

void try_input(const std::string& text) {
  input_number = input_number + 1;
  const Clock::time_point begin = Clock::now();
  lb::fuzz::fuzz_one(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  lb::fuzz::require(Clock::now() - begin < kMaxPerInput, "no input takes longer than 10 s");
}

}  // namespace

int main(int argc, char** argv) {
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) std::signal(signal, on_abort);
  std::vector<std::string> corpus;
  bool mutate = false;
  for (int i = 1; i < argc; ++i) {
    if (std::filesystem::is_directory(argv[i])) {
      corpus = read_corpus(argv[i]);
      mutate = true;
    } else {
      corpus.push_back(read_file(argv[i]));
    }
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER | FILE...\n", argv[0]);
    return 2;
  }
  for (const std::string& text : corpus) try_input(text);
  if (!mutate) return 0;
  const uint64_t seed = seed_of_run();
  std::printf("SLUICE_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  Mutator mutator(corpus, seed);
  const auto budget = std::chrono::duration<double>(seconds_of_run());
  const Clock::time_point begin = Clock::now();
  while (Clock::now() - begin < budget) try_input(mutator.next());
  std::printf("%zu files, %ld inputs\n", corpus.size(), static_cast<long>(input_number));
  return 0;
}
