// The widest compiled instruction set that this processor runs, or the one that a test pins.
#include "loops.h"

#include <atomic>
#include <stdexcept>

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

namespace {

// Widest first, as far as this processor runs them.
const std::vector<const Loops*>& available() {
  static const std::vector<const Loops*> sets = [] {
    std::vector<const Loops*> list;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) list.push_back(&avx512::table);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) list.push_back(&avx2::table);
#endif
    list.push_back(&base::table);
    return list;
  }();
  return sets;
}

std::atomic<const Loops*> current{nullptr};
std::atomic<bool> off{false};

}  // namespace

const Loops& loops() {
  const Loops* set = current.load(std::memory_order_relaxed);
  if (set == nullptr) {
    set = available().front();
    current = set;
  }
  return *set;
}

bool enabled() { return !off.load(std::memory_order_relaxed); }

std::vector<std::string> names() {
  std::vector<std::string> list;
  for (const Loops* set : available()) list.emplace_back(set->name);
  list.emplace_back("none");
  return list;
}

void pin(const std::string& name) {
  off = name == "none";
  if (off) return;
  for (const Loops* set : available()) {
    if (name == set->name) {
      current = set;
      return;
    }
  }
  throw std::runtime_error("this processor has no loops for " + name);
}

}  // namespace mimicsr::loops
