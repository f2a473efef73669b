// Runs a fuzz target without libFuzzer: over every file named, or found in a directory named, over
// every prefix of it, and over a fixed number of small mutations drawn from a fixed seed. Same
// input, same run.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

// Enough to meet the boundaries, few enough to stay under a second a file.
constexpr size_t kMaxPrefixes = 512;
constexpr int kMutations = 256;

void RunOne(const std::string& input) {
  // A buffer of exactly this size, so that a sanitizer sees the first byte read past it.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

void RunMutated(const std::string& seed, std::mt19937& random) {
  std::string input = seed;
  const unsigned edits = 1 + random() % 4;
  for (unsigned i = 0; i < edits; ++i) {
    const size_t at = input.empty() ? 0 : random() % input.size();
    switch (random() % 3) {
      case 0:
        input.insert(at, 1, static_cast<char>(random()));
        break;
      case 1:
        if (!input.empty()) input.erase(at, 1 + random() % 4);
        break;
      default:
        if (!input.empty()) input[at] = static_cast<char>(random());
    }
  }
  RunOne(input);
}

void RunFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string seed{std::istreambuf_iterator<char>(file), {}};
  RunOne(seed);
  for (size_t n = 0; n < std::min(seed.size(), kMaxPrefixes); ++n) RunOne(seed.substr(0, n));
  std::mt19937 random(1);
  for (int i = 0; i < kMutations; ++i) RunMutated(seed, random);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    const std::filesystem::path path = argv[i];
    if (std::filesystem::is_directory(path)) {
      for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
        if (entry.is_regular_file()) files.push_back(entry.path());
      }
    } else {
      files.push_back(path);
    }
  }
  std::sort(files.begin(), files.end());
  RunOne("");
  for (const auto& file : files) RunFile(file);
  std::printf("replayed %zu seeds\n", files.size());
  return 0;
}
