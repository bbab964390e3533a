// Chooses the widest compiled instruction set that this processor runs.
#include "../loops/loops.h"

#include <cstdlib>
#include <cstring>

namespace mimicsr::loops {

namespace base {
extern const Loops table;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Loops table;
}
namespace avx512 {
extern const Loops table;
}
#endif

bool pinned(const char* name) {
  const char* value = std::getenv("MIMICSR_LOOPS");
  return value != nullptr && std::strcmp(value, name) == 0;
}

static const Loops& choose() {
#if defined(__x86_64__)
  const bool free = std::getenv("MIMICSR_LOOPS") == nullptr;
  const auto allowed = [free](const Loops& set) { return free || pinned(set.name); };
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && allowed(avx512::table)) {
    return avx512::table;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && allowed(avx2::table)) return avx2::table;
#endif
  return base::table;
}

const Loops& loops() {
  static const Loops& chosen = choose();
  return chosen;
}

}  // namespace mimicsr::loops
