// One kernel call: arguments in, result tensors out.
//
// JavaScript and C++ share two arrays of doubles, so a call costs one function call and no conversion of objects.
// The caller writes the arguments one after the other (a tensor is its handle, an integer list is its length and its
// elements) and the kernel takes them in the same order. A result is written as handle, dtype, rank, sizes.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "table.h"

namespace mimicsr {

using Sizes = c10::SmallVector<int64_t, 8>;

// Element types as the TypeScript side numbers them.
enum class Dtype : int { kFloat = 0, kInt = 1, kBool = 2 };
at::ScalarType scalar_type(Dtype dtype);
Dtype dtype_of(const at::Tensor& tensor);

// What one JavaScript thread owns.
struct Engine {
  Table table;
  at::Device device{at::kCPU};
  double* arguments = nullptr;
  double* results = nullptr;
  size_t capacity = 0;  // doubles in each of the two arrays
};

class Call {
 public:
  explicit Call(Engine& engine) : engine_(engine), next_(engine.arguments), end_(engine.results) { *end_++ = 0; }

  // Next argument.
  const at::Tensor& tensor() { return engine_.table.get(handle()); }
  at::Tensor optional_tensor() { return *next_ == 0 ? (++next_, at::Tensor()) : tensor(); }
  double number() { return *next_++; }
  int64_t integer() { return static_cast<int64_t>(*next_++); }
  bool flag() { return *next_++ != 0; }
  at::ScalarType dtype() { return scalar_type(static_cast<Dtype>(integer())); }
  Sizes integers();
  std::vector<at::Tensor> tensors();

  // The next tensor argument, to be overwritten in place. If a view or another handle shares its storage it is given
  // a storage of its own first, so nothing but this tensor changes.
  at::Tensor& owned_tensor();

  void result(at::Tensor tensor);

  at::Device device() const { return engine_.device; }
  at::TensorOptions options(at::ScalarType type) const { return at::TensorOptions(engine_.device).dtype(type); }

  // "[2,3] float32, [4] int32": the tensors taken so far, for error messages.
  std::string inputs() const;

 private:
  Table::Handle handle() {
    const auto handle = static_cast<Table::Handle>(*next_++);
    seen_.push_back(handle);
    return handle;
  }

  Engine& engine_;
  double* next_;
  double* end_;
  c10::SmallVector<Table::Handle, 8> seen_;
};

using Kernel = void (*)(Call&);

struct NamedKernel {
  const char* name;
  Kernel kernel;
};

// All kernels, in the order of their codes.
std::vector<NamedKernel>& kernels();

struct Registration {
  Registration(const char* name, Kernel kernel) { kernels().push_back({name, kernel}); }
};

// Defines and registers a kernel: KERNEL(Relu) { call.result(at::relu(call.tensor())); }
#define KERNEL(name)                                            \
  static void name##_kernel(::mimicsr::Call& call);             \
  static ::mimicsr::Registration name##_entry(#name, name##_kernel); \
  static void name##_kernel(::mimicsr::Call& call)

}  // namespace mimicsr
