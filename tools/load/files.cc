#include "tools/load/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace roost::load {
namespace {

std::string CannotWrite(const std::string& path) {
  return "cannot write " + path + ": " + std::strerror(errno);
}

}  // namespace

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

LateFile::~LateFile() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  if (!InPlace()) std::remove(written_.c_str());
}

bool LateFile::Open(const std::string& path, std::string* error) {
  if (path.empty()) return true;
  struct stat there {};
  const bool plain = lstat(path.c_str(), &there) != 0 || S_ISREG(there.st_mode);
  path_ = path;
  written_ = plain ? path + ".part" : path;
  file_ = std::fopen(written_.c_str(), "a");
  if (file_ == nullptr) *error = CannotWrite(path);
  return file_ != nullptr;
}

bool LateFile::Write(std::string_view text, std::string* error) {
  if (file_ == nullptr) return true;
  // What a link leads to, or what a run that crashed has left.
  bool whole = ftruncate(fileno(file_), 0) == 0 || errno == EINVAL;
  whole = whole && std::fwrite(text.data(), 1, text.size(), file_) == text.size();
  // Much of it is written only here.
  whole = std::fclose(std::exchange(file_, nullptr)) == 0 && whole;
  if (whole && !InPlace()) whole = std::rename(written_.c_str(), path_.c_str()) == 0;
  if (whole) return true;
  *error = CannotWrite(path_);
  if (!InPlace()) std::remove(written_.c_str());
  return false;
}

}  // namespace roost::load
