// The tensors that JavaScript holds, by handle.
//
// A handle is a positive 31-bit integer (a small integer for V8, no allocation): 20 bits of slot and 11 bits of
// generation. Freeing a slot raises its generation, so a handle that was freed, or that never came from this table,
// is refused and never reads someone else's tensor.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <deque>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <vector>

namespace mimicsr {

class Table {
 public:
  using Handle = int32_t;

  Handle add(at::Tensor tensor) {
    uint32_t slot;
    if (free_.empty()) {
      slot = static_cast<uint32_t>(slots_.size());
      if (slot >= kSlots) throw std::runtime_error("more than 1,048,575 tensors are alive: dispose some");
      slots_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    slots_[slot].tensor = std::move(tensor);
    return static_cast<Handle>(slots_[slot].generation << kSlotBits | slot);
  }

  // The reference stays valid until the handle is freed: a deque never moves its elements.
  at::Tensor& get(Handle handle) {
    const uint32_t slot = static_cast<uint32_t>(handle) & (kSlots - 1);
    const uint32_t generation = static_cast<uint32_t>(handle) >> kSlotBits;
    if (handle <= 0 || slot >= slots_.size() || slots_[slot].generation != generation ||
        !slots_[slot].tensor.defined()) {
      throw std::runtime_error("tensor handle " + std::to_string(handle) + " is disposed or not of this engine");
    }
    return slots_[slot].tensor;
  }

  void free(Handle handle) {
    get(handle).reset();
    Slot& slot = slots_[static_cast<uint32_t>(handle) & (kSlots - 1)];
    slot.generation = slot.generation == kGenerations ? 1 : slot.generation + 1;
    free_.push_back(static_cast<uint32_t>(handle) & (kSlots - 1));
  }

  size_t live() const { return slots_.size() - free_.size(); }

  // Bytes of the storages behind all live tensors; a storage that several views share counts once.
  size_t bytes() const {
    std::unordered_set<const void*> seen;
    size_t total = 0;
    for (const Slot& slot : slots_) {
      if (!slot.tensor.defined() || !slot.tensor.has_storage()) continue;
      const at::Storage& storage = slot.tensor.storage();
      if (seen.insert(storage.unsafeGetStorageImpl()).second) total += storage.nbytes();
    }
    return total;
  }

  // Drops every tensor and every handle.
  void clear() {
    slots_.clear();
    free_.clear();
  }

 private:
  static constexpr uint32_t kSlotBits = 20;
  static constexpr uint32_t kSlots = 1u << kSlotBits;
  static constexpr uint32_t kGenerations = (1u << (31 - kSlotBits)) - 1;

  struct Slot {
    at::Tensor tensor;
    uint32_t generation = 1;  // never 0, so no handle is 0: 0 means "no tensor" in a call
  };
  std::deque<Slot> slots_;
  std::vector<uint32_t> free_;
};

}  // namespace mimicsr
