// Which of the compiled sets of loops runs.
#pragma once

#include <string>
#include <vector>

#include "../loops/loops.h"

namespace mimicsr::loops {

// The widest set that this processor runs, or the pinned one.
const Loops& loops();

// False where "none" is pinned: every kernel then takes the way of tensors that are not in main memory.
bool enabled();

// For tests, which hold every way to one definition: names of the sets that run here, and "none".
std::vector<std::string> names();
void pin(const std::string& name);

}  // namespace mimicsr::loops
