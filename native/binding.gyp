{
  # Built by scripts/build-torch.cjs, which finds libtorch and passes what it found in the environment.
  "variables": {
    "libtorch_include": ["<!@(node libtorch.cjs include)"],
    "libtorch_lib": "<!(node libtorch.cjs lib)",
    "libtorch_libraries": ["<!@(node libtorch.cjs libraries)"],
    "libtorch_flags": ["<!@(node libtorch.cjs flags)"],
  },
  "targets": [
    {
      "target_name": "mimicsr_torch",
      "sources": ["<!@(node libtorch.cjs sources)"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")", "<@(libtorch_include)"],
      "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS", "NDEBUG"],
      "cflags!": ["-fno-exceptions", "-O3"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20", "-O3"],
      "cflags_cc": ["-fexceptions", "-frtti", "-O2", "-fopenmp", "-fvisibility=hidden", "-w", "<@(libtorch_flags)"],
      "ldflags": ["-fopenmp", "-L<(libtorch_lib)", "-Wl,-rpath,<(libtorch_lib)", "-Wl,--no-as-needed"],
      "libraries": ["<@(libtorch_libraries)"],
    }
  ],
}
