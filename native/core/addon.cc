// The addon's face to JavaScript: start, upload, run, read, free, memory.
//
// `run(code)` takes its arguments from the shared array (see call.h). Every C++ exception, libtorch's own and
// running out of memory included, becomes a JavaScript Error that names the kernel and the shapes of its tensors.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <napi.h>
#include <torch/version.h>

#include <cstring>
#include <memory>

#include "call.h"
#include "loops.h"
#include "memory.h"

namespace mimicsr {
namespace {

// Raised when the calling convention changes; the TypeScript side refuses an addon of another number.
constexpr int kProtocol = 1;
constexpr size_t kCapacity = 1 << 16;

Engine& engine_of(const Napi::CallbackInfo& info) { return *static_cast<Engine*>(info.Data()); }

// Runs `body`; its exceptions become a JavaScript Error that starts with `what()`.
template <typename Body, typename What>
Napi::Value guarded(Napi::Env env, Body&& body, What&& what) {
  std::string message;
  try {
    c10::InferenceMode inference;
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const c10::Error& error) {
    message = error.what_without_backtrace();
  } catch (const std::bad_alloc&) {
    message = "out of memory";
  } catch (const std::exception& error) {
    message = error.what();
  }
  throw Napi::Error::New(env, what() + ": " + message);
}

Napi::Value run(const Napi::CallbackInfo& info) {
  Engine& engine = engine_of(info);
  const auto code = static_cast<size_t>(info[0].As<Napi::Number>().Uint32Value());
  Call call(engine);
  return guarded(
      info.Env(),
      [&]() -> Napi::Value {
        kernels().at(code).kernel(call);
        return info.Env().Undefined();
      },
      [&] {
        // Results that were made before the failure have no owner: give them back.
        double* at = engine.results + 1;
        for (int i = 0; i < static_cast<int>(engine.results[0]); ++i) {
          engine.table.free(static_cast<Table::Handle>(at[0]));
          at += 3 + static_cast<int>(at[2]);
        }
        const std::string name = code < kernels().size() ? kernels()[code].name : "?";
        return "torch kernel " + name + " failed on (" + call.inputs() + ")";
      });
}

// upload(values: Float32Array | Int32Array | Uint8Array, shape: number[], dtype) -> handle
Napi::Value upload(const Napi::CallbackInfo& info) {
  Engine& engine = engine_of(info);
  const auto values = info[0].As<Napi::TypedArray>();
  const auto shape = info[1].As<Napi::Array>();
  const auto dtype = static_cast<Dtype>(info[2].As<Napi::Number>().Int32Value());
  return guarded(
      info.Env(),
      [&]() -> Napi::Value {
        Sizes sizes;
        int64_t count = 1;
        for (uint32_t i = 0; i < shape.Length(); ++i) {
          sizes.push_back(shape.Get(i).As<Napi::Number>().Int64Value());
          count *= sizes.back();
        }
        const auto type = scalar_type(dtype);
        if (values.ByteLength() != static_cast<size_t>(count) * c10::elementSize(type)) {
          throw std::runtime_error("shape asks for " + std::to_string(count) + " elements, the array has " +
                                   std::to_string(values.ElementLength()));
        }
        at::Tensor tensor = at::empty(sizes, at::TensorOptions(at::kCPU).dtype(type));
        if (count > 0) {
          const auto* bytes = static_cast<const uint8_t*>(values.ArrayBuffer().Data()) + values.ByteOffset();
          std::memcpy(tensor.data_ptr(), bytes, values.ByteLength());
        }
        if (!engine.device.is_cpu()) tensor = tensor.to(engine.device);
        return Napi::Number::New(info.Env(), engine.table.add(std::move(tensor)));
      },
      [] { return std::string("torch upload failed"); });
}

template <typename Array>
Napi::Value copied(Napi::Env env, const at::Tensor& tensor) {
  auto array = Array::New(env, static_cast<size_t>(tensor.numel()));
  if (tensor.numel() > 0) std::memcpy(array.Data(), tensor.data_ptr(), tensor.nbytes());
  return array;
}

// read(handle) -> its elements, row-major
Napi::Value read(const Napi::CallbackInfo& info) {
  Engine& engine = engine_of(info);
  return guarded(
      info.Env(),
      [&]() -> Napi::Value {
        const at::Tensor tensor = engine.table.get(info[0].As<Napi::Number>().Int32Value()).to(at::kCPU).contiguous();
        switch (dtype_of(tensor)) {
          case Dtype::kFloat:
            return copied<Napi::Float32Array>(info.Env(), tensor);
          case Dtype::kInt:
            return copied<Napi::Int32Array>(info.Env(), tensor);
          default:
            return copied<Napi::Uint8Array>(info.Env(), tensor);
        }
      },
      [] { return std::string("torch read failed"); });
}

Napi::Value release(const Napi::CallbackInfo& info) {
  return guarded(
      info.Env(),
      [&]() -> Napi::Value {
        engine_of(info).table.free(info[0].As<Napi::Number>().Int32Value());
        return info.Env().Undefined();
      },
      [] { return std::string("torch free failed"); });
}

// start(device, threads) -> threads in use. Throws where the device cannot be used.
Napi::Value start(const Napi::CallbackInfo& info) {
  Engine& engine = engine_of(info);
  const std::string name = info[0].As<Napi::String>();
  const int threads = info[1].As<Napi::Number>().Int32Value();
  return guarded(
      info.Env(),
      [&]() -> Napi::Value {
        const at::Device device(name);
        // One small tensor there and back proves the device.
        if (at::ones({1}, at::TensorOptions(device)).item<float>() != 1.0f) throw std::runtime_error("wrong result");
        engine.device = device;
        at::set_num_threads(threads);
        return Napi::Number::New(info.Env(), at::get_num_threads());
      },
      [&] { return "torch device " + name + " cannot be used"; });
}

// Waits for the device: kernels on a GPU run behind the caller.
Napi::Value sync(const Napi::CallbackInfo& info) {
  Engine& engine = engine_of(info);
  return guarded(
      info.Env(),
      [&]() -> Napi::Value {
        if (!engine.device.is_cpu()) at::zeros({1}, at::TensorOptions(engine.device)).item<float>();
        return info.Env().Undefined();
      },
      [] { return std::string("torch sync failed"); });
}

// memory() -> [live tensors, bytes of their storages]
Napi::Value memory(const Napi::CallbackInfo& info) {
  const Table& table = engine_of(info).table;
  auto pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0u, Napi::Number::New(info.Env(), static_cast<double>(table.live())));
  pair.Set(1u, Napi::Number::New(info.Env(), static_cast<double>(table.bytes())));
  return pair;
}

// pin(name): which of the sets in `loops` runs from now on; for tests.
Napi::Value pin(const Napi::CallbackInfo& info) {
  const std::string name = info[0].As<Napi::String>();
  return guarded(
      info.Env(),
      [&]() -> Napi::Value {
        loops::pin(name);
        return info.Env().Undefined();
      },
      [] { return std::string("torch pin failed"); });
}

Napi::Float64Array shared_array(Napi::Env env, double** data) {
  auto array = Napi::Float64Array::New(env, kCapacity);
  *data = array.Data();
  return array;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  cache_memory();
  auto owner = std::make_unique<Engine>();
  Engine* engine = owner.get();
  engine->capacity = kCapacity;
  env.SetInstanceData(owner.release());

  // The exports keep the two arrays alive, and with them the memory that Engine points to.
  const auto arguments = shared_array(env, &engine->arguments);
  const auto results = shared_array(env, &engine->results);
  const auto fixed = napi_property_attributes(napi_enumerable);
  auto sets = Napi::Array::New(env);
  for (const std::string& name : loops::names()) sets.Set(sets.Length(), Napi::String::New(env, name));
  auto table = Napi::Object::New(env);
  for (size_t i = 0; i < kernels().size(); ++i) table.Set(kernels()[i].name, Napi::Number::New(env, double(i)));

  exports.DefineProperties({
      Napi::PropertyDescriptor::Value("protocol", Napi::Number::New(env, kProtocol), fixed),
      Napi::PropertyDescriptor::Value("libtorch", Napi::String::New(env, TORCH_VERSION), fixed),
      Napi::PropertyDescriptor::Value("parallel", Napi::String::New(env, at::get_parallel_info()), fixed),
      Napi::PropertyDescriptor::Value("cuda", Napi::Boolean::New(env, at::hasCUDA()), fixed),
      Napi::PropertyDescriptor::Value("arguments", arguments, fixed),
      Napi::PropertyDescriptor::Value("results", results, fixed),
      Napi::PropertyDescriptor::Value("kernels", table, fixed),
      Napi::PropertyDescriptor::Value("loops", sets, fixed),
      Napi::PropertyDescriptor::Value("pin", Napi::Function::New(env, pin, "pin", engine), fixed),
      Napi::PropertyDescriptor::Value("start", Napi::Function::New(env, start, "start", engine), fixed),
      Napi::PropertyDescriptor::Value("run", Napi::Function::New(env, run, "run", engine), fixed),
      Napi::PropertyDescriptor::Value("upload", Napi::Function::New(env, upload, "upload", engine), fixed),
      Napi::PropertyDescriptor::Value("read", Napi::Function::New(env, read, "read", engine), fixed),
      Napi::PropertyDescriptor::Value("free", Napi::Function::New(env, release, "free", engine), fixed),
      Napi::PropertyDescriptor::Value("sync", Napi::Function::New(env, sync, "sync", engine), fixed),
      Napi::PropertyDescriptor::Value("memory", Napi::Function::New(env, memory, "memory", engine), fixed),
  });
  return exports;
}

}  // namespace
}  // namespace mimicsr

static Napi::Object InitAll(Napi::Env env, Napi::Object exports) { return mimicsr::initialise(env, exports); }
NODE_API_MODULE(mimicsr_torch, InitAll)
