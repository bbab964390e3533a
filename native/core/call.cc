#include "call.h"

#include <cstring>
#include <sstream>

namespace mimicsr {

at::ScalarType scalar_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::kFloat:
      return at::kFloat;
    case Dtype::kInt:
      return at::kInt;
    case Dtype::kBool:
      return at::kBool;
  }
  throw std::runtime_error("unknown element type " + std::to_string(static_cast<int>(dtype)));
}

Dtype dtype_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return Dtype::kFloat;
    case at::kInt:
      return Dtype::kInt;
    case at::kBool:
      return Dtype::kBool;
    default:
      throw std::runtime_error(std::string("kernel made a ") + c10::toString(tensor.scalar_type()) + " tensor");
  }
}

Sizes Call::integers() {
  const auto count = static_cast<size_t>(*next_++);
  Sizes list(count);
  for (size_t i = 0; i < count; ++i) list[i] = static_cast<int64_t>(*next_++);
  return list;
}

std::vector<at::Tensor> Call::tensors() {
  const auto count = static_cast<size_t>(*next_++);
  std::vector<at::Tensor> list;
  list.reserve(count);
  for (size_t i = 0; i < count; ++i) list.push_back(tensor());
  return list;
}

at::Tensor& Call::owned_tensor() {
  at::Tensor& tensor = engine_.table.get(handle());
  if (tensor.storage().use_count() > 1 || tensor.use_count() > 1 || !tensor.is_contiguous()) {
    tensor = tensor.clone(at::MemoryFormat::Contiguous);
  }
  return tensor;
}

void Call::result(at::Tensor tensor) {
  const auto dtype = static_cast<double>(static_cast<int>(dtype_of(tensor)));
  const auto sizes = tensor.sizes();
  if (static_cast<size_t>(end_ - engine_.results) + 3 + sizes.size() > engine_.capacity) {
    throw std::runtime_error("too many results for one call");
  }
  double* at = end_;
  at[1] = dtype;
  at[2] = static_cast<double>(sizes.size());
  for (size_t i = 0; i < sizes.size(); ++i) at[3 + i] = static_cast<double>(sizes[i]);
  end_ = at + 3 + sizes.size();
  at[0] = engine_.table.add(std::move(tensor));
  engine_.results[0] += 1;
}

std::string Call::inputs() const {
  static const char* const names[] = {"float32", "int32", "bool"};
  std::ostringstream text;
  for (size_t i = 0; i < seen_.size() && i < 12; ++i) {
    if (i > 0) text << ", ";
    try {
      const at::Tensor& tensor = engine_.table.get(seen_[i]);
      text << '[';
      for (int64_t d = 0; d < tensor.dim(); ++d) text << (d > 0 ? "," : "") << tensor.size(d);
      text << "] " << names[static_cast<int>(dtype_of(tensor))];
    } catch (const std::exception&) {
      text << "(disposed)";
    }
  }
  if (seen_.size() > 12) text << " and " << seen_.size() - 12 << " more";
  return text.str();
}

std::vector<NamedKernel>& kernels() {
  static std::vector<NamedKernel> list;
  return list;
}

}  // namespace mimicsr
