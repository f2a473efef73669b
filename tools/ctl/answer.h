// What roostd answers to an order (reload, drain, store drain, kick), as a sentence for people, and
// how long an answer may take.
//
// Pure.
#ifndef ROOST_TOOLS_CTL_ANSWER_H_
#define ROOST_TOOLS_CTL_ANSWER_H_

#include <string>
#include <string_view>

namespace roost {

// `command`: as in Options; `subject`: of kick, its user. False with *sentence: why it was not
// done. Without an end of line in each case.
bool AnswerSentence(std::string_view command, std::string_view subject, std::string_view json,
                    std::string* sentence);

// How long roostd may take to answer this request. A reload resolves names, which may take minutes,
// and what changes a store waits for it.
int AnswerSeconds(std::string_view request);
// What is said when it took longer.
std::string NoAnswer(std::string_view request);
inline constexpr char kClosedUnanswered[] =
    "roostd closed the connection without an answer; run this as root or as its user, unless "
    "roostd is ending";

}  // namespace roost

#endif  // ROOST_TOOLS_CTL_ANSWER_H_
