// What roostd answers to an order (reload, drain, store drain, kick), as a sentence for people.
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

}  // namespace roost

#endif  // ROOST_TOOLS_CTL_ANSWER_H_
