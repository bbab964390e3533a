// Main memory for tensors, from a cache of freed blocks. A training step frees and asks for the same sizes over and
// over; from the system every large block would arrive as untouched pages, and touching them costs more than many a
// kernel. Large blocks ask for huge pages. A block that is given back is kept where blocks in use and in the cache then come
// to no more than the most that was in use at once; where that keeps one out, what lay in the cache unused for long goes, as
// after a training's sizes come those of whole pictures. Where the system refuses memory, the cache is emptied before that
// is an error.
#include "memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <vector>

namespace mimicsr {
namespace {

constexpr size_t kHeader = 64;             // before the data, which stays 64-byte aligned
constexpr size_t kSmall = size_t{64} << 10;  // below: the C library is quick enough
constexpr size_t kHuge = size_t{2} << 20;

// Between two looks at what lies unused, blocks of so many times the most that was in use at once are taken. A training step
// takes 3 to 6 times that much, whatever the network, batch and threads: what every step uses once stays.
constexpr size_t kPeriod = 16;

struct Header {
  size_t size;  // of the whole block
};

// Free blocks of one size, the one given last on top.
struct Shelf {
  std::vector<void*> blocks;
  size_t unused = 0;  // how many of them, from the bottom, nobody has taken in this period
};

class Cache {
 public:
  void* take(size_t bytes) {
    const size_t size = block_size(bytes + kHeader);
    void* block = size < kSmall ? nullptr : kept(size);
    if (block == nullptr) block = fresh(size);
    static_cast<Header*>(block)->size = size;
    return static_cast<char*>(block) + kHeader;
  }

  void give(void* data) {
    void* block = static_cast<char*>(data) - kHeader;
    const size_t size = static_cast<Header*>(block)->size;
    if (size >= kSmall) {
      std::lock_guard<std::mutex> lock(mutex_);
      in_use_ -= size;
      if (in_use_ + cached_ + size <= most_) {
        free_[size].blocks.push_back(block);
        cached_ += size;
        return;
      }
      refused_ = true;
    }
    std::free(block);
  }

 private:
  // Eight sizes an octave, so that like sizes meet in the cache; at most an eighth is lost.
  static size_t block_size(size_t bytes) {
    if (bytes < kSmall) return (bytes + kHeader - 1) / kHeader * kHeader;
    size_t step = kSmall / 8;
    while (bytes > step * 16) step *= 2;
    return (bytes + step - 1) / step * step;
  }

  // From the cache, or null.
  void* kept(size_t size) {
    std::lock_guard<std::mutex> lock(mutex_);
    taken_ += size;
    if (taken_ > kPeriod * most_) end_period();
    const auto found = free_.find(size);
    if (found == free_.end() || found->second.blocks.empty()) return nullptr;
    Shelf& shelf = found->second;
    void* block = shelf.blocks.back();
    shelf.blocks.pop_back();
    shelf.unused = std::min(shelf.unused, shelf.blocks.size());
    cached_ -= size;
    count(size);
    return block;
  }

  void* fresh(size_t size) {
    void* block = system(size);
    if (block == nullptr) {
      empty();
      block = system(size);
    }
    if (block == nullptr) throw std::bad_alloc();
    if (size >= kSmall) {
      std::lock_guard<std::mutex> lock(mutex_);
      count(size);
    }
    return block;
  }

  // What is in use by one block more. Not before there is one: a request that fails must not widen the cache.
  void count(size_t size) {
    in_use_ += size;
    most_ = std::max(most_, in_use_);
  }

  static void* system(size_t size) {
    void* block = nullptr;
    if (posix_memalign(&block, size >= kHuge ? kHuge : kHeader, size) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
    if (size >= kHuge) madvise(block, size, MADV_HUGEPAGE);
#endif
    return block;
  }

  void empty() {
    std::lock_guard<std::mutex> lock(mutex_);
    for (auto& [size, shelf] : free_) {
      for (void* block : shelf.blocks) std::free(block);
      shelf = {};
    }
    cached_ = 0;
  }

  // Makes room for what did not find any: blocks that a whole period did without go back to the system.
  void end_period() {
    for (auto& [size, shelf] : free_) {
      if (refused_) {
        const auto end = shelf.blocks.begin() + static_cast<std::ptrdiff_t>(shelf.unused);
        std::for_each(shelf.blocks.begin(), end, std::free);
        shelf.blocks.erase(shelf.blocks.begin(), end);
        cached_ -= size * shelf.unused;
      }
      shelf.unused = shelf.blocks.size();
    }
    refused_ = false;
    taken_ = 0;
  }

  std::mutex mutex_;
  std::map<size_t, Shelf> free_;
  size_t in_use_ = 0, cached_ = 0, most_ = 0;
  size_t taken_ = 0;      // in this period
  bool refused_ = false;  // whether a block found no room in this period
};

// Never destroyed: tensors may outlive every static object.
Cache& cache() {
  static Cache& one = *new Cache();
  return one;
}

void release(void* data) {
  if (data != nullptr) cache().give(data);
}

// libtorch 1.13 declares allocate() const, 2.x does not, and asks for copy_data besides: one of the two overrides.
class CachedAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) const { return make(bytes); }
  c10::DataPtr allocate(size_t bytes) { return make(bytes); }
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t count) const { std::memcpy(to, from, count); }

 private:
  static c10::DataPtr make(size_t bytes) {
    void* data = bytes == 0 ? nullptr : cache().take(bytes);
    return {data, data, &release, c10::Device(c10::DeviceType::CPU)};
  }
};

}  // namespace

void cache_memory() {
  static CachedAllocator& allocator = *new CachedAllocator();
  c10::SetCPUAllocator(&allocator, /*priority=*/1);
}

}  // namespace mimicsr
