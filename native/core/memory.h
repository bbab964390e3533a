#pragma once

namespace mimicsr {

// Makes libtorch take main memory from a cache of freed blocks (see memory.cc). Call once, before the first tensor.
void cache_memory();

}  // namespace mimicsr
