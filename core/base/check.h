// ROOST_CHECK for core/: the same macro that proto/ uses, so that there is one way
// to stop on the impossible.
#ifndef ROOST_CORE_BASE_CHECK_H_
#define ROOST_CORE_BASE_CHECK_H_

#include "proto/check.h"

#endif  // ROOST_CORE_BASE_CHECK_H_
