#include "tools/load/files.h"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace roost::load {

bool ReadFile(const std::string& path, std::string* text, std::string* error) {
  std::FILE* file = std::fopen(path.c_str(), "r");
  bool whole = file != nullptr;
  if (whole) {
    char buffer[4096];
    size_t n = 0;
    while ((n = std::fread(buffer, 1, sizeof buffer, file)) > 0) text->append(buffer, n);
    whole = std::ferror(file) == 0;
  }
  if (!whole) *error = "cannot read " + path + ": " + std::strerror(errno);
  if (file != nullptr) std::fclose(file);
  return whole;
}

bool WriteFile(const std::string& path, std::string_view text, std::string* error) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  bool whole = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (file != nullptr) whole = std::fclose(file) == 0 && whole;
  if (!whole) *error = "cannot write " + path + ": " + std::strerror(errno);
  return whole;
}

}  // namespace roost::load
