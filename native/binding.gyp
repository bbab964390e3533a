{
  # Built by scripts/build-torch.cjs, which finds libtorch and passes what it found in the environment.
  "variables": {
    "libtorch_include": ["<!@(node libtorch.cjs include)"],
    "libtorch_lib": "<!(node libtorch.cjs lib)",
    "libtorch_libraries": ["<!@(node libtorch.cjs libraries)"],
    "libtorch_flags": ["<!@(node libtorch.cjs flags)"],
    "loops": ["<!@(node libtorch.cjs loops)"],
    "loops_flags": ["-std=gnu++17", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fvisibility=hidden", "-Wno-psabi"],
  },
  "target_defaults": {
    "cflags!": ["-fno-exceptions"],
    "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17", "-std=gnu++20"],
    "defines": ["NDEBUG"],
  },
  "targets": [
    {
      "target_name": "mimicsr_torch",
      "sources": ["<!@(node libtorch.cjs sources)"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")", "<@(libtorch_include)"],
      "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS"],
      "cflags_cc": ["-fexceptions", "-frtti", "-O2", "-fopenmp", "-fvisibility=hidden", "-w", "<@(libtorch_flags)"],
      "ldflags": ["-fopenmp", "-L<(libtorch_lib)", "-Wl,-rpath,<(libtorch_lib)", "-Wl,--no-as-needed"],
      "libraries": ["<@(libtorch_libraries)"],
      "dependencies": ["loops_base"],
      "conditions": [["target_arch=='x64'", {"dependencies": ["loops_avx2", "loops_avx512"]}]],
    },
    {
      # The hand-written loops, once for each instruction set; core/loops.cc picks one at run time.
      "target_name": "loops_base",
      "type": "static_library",
      "sources": ["<@(loops)"],
      "defines": ["LOOPS_SET=base"],
      "cflags_cc": ["<@(loops_flags)"],
    },
  ],
  "conditions": [
    [
      "target_arch=='x64'",
      {
        "targets": [
          {
            "target_name": "loops_avx2",
            "type": "static_library",
            "sources": ["<@(loops)"],
            "defines": ["LOOPS_SET=avx2"],
            "cflags_cc": ["<@(loops_flags)", "-mavx2", "-mfma"],
          },
          {
            "target_name": "loops_avx512",
            "type": "static_library",
            "sources": ["<@(loops)"],
            "defines": ["LOOPS_SET=avx512"],
            "cflags_cc": ["<@(loops_flags)", "-mavx512f", "-mavx512dq", "-mfma", "-mprefer-vector-width=512"],
          },
        ],
      },
    ],
  ],
}
