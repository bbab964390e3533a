// Elementwise kernels: one input, two inputs with broadcasting, select, cast, fill.
// Each follows TensorFlow.js's definition of the kernel of the same name; where ATen's differs, the line says how.
#include "../core/call.h"

using namespace mimicsr;
using at::Tensor;

#define UNARY(name, expression)          \
  KERNEL(name) {                         \
    const Tensor& x = call.tensor();     \
    call.result(expression);             \
  }

UNARY(Abs, at::abs(x))
UNARY(Acos, at::acos(x))
UNARY(Acosh, at::acosh(x))
UNARY(Asin, at::asin(x))
UNARY(Asinh, at::asinh(x))
UNARY(Atan, at::atan(x))
UNARY(Atanh, at::atanh(x))
UNARY(Ceil, at::ceil(x))
UNARY(Cos, at::cos(x))
UNARY(Cosh, at::cosh(x))
UNARY(Elu, at::elu(x))
UNARY(Erf, at::erf(x))
UNARY(Exp, at::exp(x))
UNARY(Expm1, at::expm1(x))
UNARY(Floor, at::floor(x))
UNARY(IsFinite, at::isfinite(x))
UNARY(IsInf, at::isinf(x))
UNARY(IsNan, at::isnan(x))
UNARY(Log, at::log(x))
UNARY(Log1p, at::log1p(x))
UNARY(LogicalNot, at::logical_not(x))
UNARY(Neg, at::neg(x))
UNARY(Reciprocal, at::reciprocal(x))
UNARY(Relu, at::relu(x))
UNARY(Relu6, at::clamp(x, 0, 6))
UNARY(Round, at::round(x))  // both round halves to even
UNARY(Rsqrt, at::rsqrt(x))
UNARY(Selu, at::selu(x))
UNARY(Sigmoid, at::sigmoid(x))
UNARY(Sign, at::sign(x))
UNARY(Sin, at::sin(x))
UNARY(Sinh, at::sinh(x))
UNARY(Softplus, at::softplus(x))
UNARY(Sqrt, at::sqrt(x))
UNARY(Square, at::mul(x, x))  // at::square goes through the slower pow
UNARY(Tan, at::tan(x))
UNARY(Tanh, at::tanh(x))

KERNEL(LeakyRelu) {
  const Tensor& x = call.tensor();
  call.result(at::leaky_relu(x, call.number()));
}

KERNEL(ClipByValue) {
  const Tensor& x = call.tensor();
  const double low = call.number();
  const double high = call.number();
  call.result(at::clamp(x, low, high));
}

// 1 where x > 0, alpha where x <= 0, NaN stays NaN.
KERNEL(Step) {
  const Tensor& x = call.tensor();
  const Tensor stepped = at::where(at::gt(x, 0), at::ones({}, x.options()), at::full({}, call.number(), x.options()));
  call.result(x.is_floating_point() ? at::where(at::isnan(x), x, stepped) : stepped);
}

#define BINARY(name, expression)         \
  KERNEL(name) {                         \
    const Tensor& a = call.tensor();     \
    const Tensor& b = call.tensor();     \
    call.result(expression);             \
  }

BINARY(Add, at::add(a, b))
BINARY(Sub, at::sub(a, b))
BINARY(Multiply, at::mul(a, b))
BINARY(RealDiv, at::div(a, b))
BINARY(FloorDiv, at::div(a, b, "floor").to(at::kInt))  // TensorFlow.js makes it int32
BINARY(Mod, at::remainder(a, b))  // sign of the divisor, as TensorFlow
BINARY(Pow, at::pow(a, b))
BINARY(Maximum, at::maximum(a, b))
BINARY(Minimum, at::minimum(a, b))
BINARY(Atan2, at::atan2(a, b))
BINARY(Equal, at::eq(a, b))
BINARY(NotEqual, at::ne(a, b))
BINARY(Greater, at::gt(a, b))
BINARY(GreaterEqual, at::ge(a, b))
BINARY(Less, at::lt(a, b))
BINARY(LessEqual, at::le(a, b))
BINARY(LogicalAnd, at::logical_and(a, b))
BINARY(LogicalOr, at::logical_or(a, b))
BINARY(BitwiseAnd, at::bitwise_and(a, b))
BINARY(Prelu, at::where(at::lt(a, 0), at::mul(a, b), a))
BINARY(EluGrad, at::where(at::ge(b, 0), a, at::mul(a, at::add(b, 1))))  // a: dy, b: y

KERNEL(SquaredDifference) {
  const Tensor& a = call.tensor();
  const Tensor difference = at::sub(a, call.tensor());
  call.result(at::mul(difference, difference));
}

KERNEL(AddN) {
  const auto terms = call.tensors();
  Tensor sum = terms.size() == 1 ? terms[0].clone() : at::add(terms.at(0), terms[1]);
  for (size_t i = 2; i < terms.size(); ++i) sum.add_(terms[i]);
  call.result(sum);
}

// Condition, value where true, value where false; a condition of rank 1 picks whole rows of a higher-rank value.
KERNEL(Select) {
  Tensor condition = call.tensor().to(at::kBool);
  const Tensor& yes = call.tensor();
  const Tensor& no = call.tensor();
  if (condition.dim() == 1 && yes.dim() > 1) {
    Sizes rows(yes.dim(), 1);
    rows[0] = condition.size(0);
    condition = condition.reshape(rows);
  }
  call.result(at::where(condition, yes, no));
}

KERNEL(Copy) { call.result(call.tensor().clone(at::MemoryFormat::Contiguous)); }

KERNEL(Cast) {
  const Tensor& x = call.tensor();
  call.result(x.to(call.dtype()));
}

KERNEL(Fill) {
  const Sizes shape = call.integers();
  const double value = call.number();
  call.result(at::full(shape, value, call.options(call.dtype())));
}

KERNEL(Range) {
  const double start = call.number();
  const double step = call.number();
  const int64_t count = call.integer();
  const auto type = call.dtype();
  // Count times step from start, in double: at::arange would recompute the count and may round it differently.
  const Tensor index = at::arange(count, at::TensorOptions(at::kCPU).dtype(at::kDouble));
  call.result(index.mul(step).add(start).to(type).to(call.device()));
}
