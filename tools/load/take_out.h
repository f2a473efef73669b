// TakeOut: removes an object from a list of owners by the place that it remembers.
//
// `index` of every object in the list is its place there. The last one fills the gap.
#ifndef ROOST_TOOLS_LOAD_TAKE_OUT_H_
#define ROOST_TOOLS_LOAD_TAKE_OUT_H_

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "proto/check.h"

namespace roost::load {

template <typename Object>
std::unique_ptr<Object> TakeOut(std::vector<std::unique_ptr<Object>>* from, Object* object) {
  const size_t index = object->index;
  ROOST_CHECK(index < from->size() && (*from)[index].get() == object);
  std::unique_ptr<Object> taken = std::move((*from)[index]);
  if (index + 1 != from->size()) {
    (*from)[index] = std::move(from->back());
    (*from)[index]->index = index;
  }
  from->pop_back();
  return taken;
}

}  // namespace roost::load

#endif  // ROOST_TOOLS_LOAD_TAKE_OUT_H_
