// Whole files in and out.
#ifndef ROOST_TOOLS_LOAD_FILES_H_
#define ROOST_TOOLS_LOAD_FILES_H_

#include <cstdio>
#include <string>
#include <string_view>

namespace roost::load {

// False: *error says which file and why.
bool ReadFile(const std::string& path, std::string* text, std::string* error);

// A file that has its place long before there is something to write, so that what is in the way is
// said at once. Until all is written it is FILE.part, and what FILE held stays; pipes, devices and
// links are written as they are.
class LateFile {
 public:
  LateFile() = default;
  ~LateFile();
  LateFile(const LateFile&) = delete;
  LateFile& operator=(const LateFile&) = delete;

  // An empty path: none is wanted, and Write does nothing. False: *error says which and why.
  bool Open(const std::string& path, std::string* error);
  // Once. False: likewise.
  bool Write(std::string_view text, std::string* error);

 private:
  bool InPlace() const { return written_ == path_; }

  std::string path_;
  std::string written_;  // FILE.part, or path_
  std::FILE* file_ = nullptr;
};

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_FILES_H_
