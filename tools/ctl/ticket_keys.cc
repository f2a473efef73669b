#include "tools/ctl/ticket_keys.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "proto/tls/ticket_key_text.h"

namespace roost {
namespace {

std::string Why(const std::string& path, const char* what) {
  return std::string("cannot ") + what + " " + path + ": " + std::strerror(errno);
}

bool ReadAll(int fd, std::string* text) {
  char buffer[kMaxTicketKeyText + 1];
  ssize_t n = 0;
  while (text->size() <= kMaxTicketKeyText && (n = read(fd, buffer, sizeof buffer)) > 0) {
    text->append(buffer, static_cast<size_t>(n));
  }
  return n >= 0;
}

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = write(fd, text.data(), text.size());
    if (n <= 0) return false;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return fsync(fd) == 0;
}

// The keys that are there, rotated; new ones where there is no file. `found` says whose it is.
bool NewKeys(const std::string& path, TicketKeys* keys, struct stat* found, std::string* error) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    *keys = TicketKeys::Random();
    return true;
  }
  std::string text;
  const bool read = fd >= 0 && fstat(fd, found) == 0 && ReadAll(fd, &text);
  if (!read) *error = Why(path, "read");
  if (fd >= 0) close(fd);
  if (!read) return false;
  if (!ParseTicketKeys(text, keys, error)) {
    *error = path + ": " + *error;
    return false;
  }
  *keys = Rotated(*keys);
  return true;
}

}  // namespace

bool RotateTicketKeyFile(const std::string& path, std::string* error) {
  TicketKeys keys;
  struct stat found {};
  if (!NewKeys(path, &keys, &found, error)) return false;
  const std::string beside = path + ".new";
  unlink(beside.c_str());
  const int fd = open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    *error = Why(beside, "write");
    return false;
  }
  const bool there = found.st_nlink != 0;
  const bool kept = !there || (fchown(fd, found.st_uid, found.st_gid) == 0 &&
                               fchmod(fd, found.st_mode & 0777) == 0);
  const bool done =
      kept && WriteAll(fd, FormatTicketKeys(keys)) && rename(beside.c_str(), path.c_str()) == 0;
  if (!done) {
    *error = Why(path, "replace");
    unlink(beside.c_str());
  }
  close(fd);
  return done;
}

}  // namespace roost
