// ReopenedLog: the log's file once more, where the one before was moved away to be kept.
//
// Of log.cc, but apart from log.h: whoever reloads needs it, and not whoever logs. One at a time,
// after OpenLog; threads may log meanwhile, and no line is lost or torn.
#ifndef ROOST_CORE_BASE_REOPENED_LOG_H_
#define ROOST_CORE_BASE_REOPENED_LOG_H_

#include <string>

namespace roost {

// In two steps, so that a reload can be given up in between.
class ReopenedLog {
 public:
  ReopenedLog() = default;
  ~ReopenedLog();
  ReopenedLog(const ReopenedLog&) = delete;
  ReopenedLog& operator=(const ReopenedLog&) = delete;

  // Opens, or makes, what is to be at the path; a log that is no file, or that is still there, is
  // well as it is. False with *error. Lines go on to the old one.
  bool Open(std::string* error);
  // From here on lines go to the new one, and the old one is closed.
  void Take();

 private:
  int fd_ = -1;  // nothing to take
};

}  // namespace roost

#endif  // ROOST_CORE_BASE_REOPENED_LOG_H_
