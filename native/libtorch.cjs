// Finds libtorch and says how to compile against it. Order: MIMICSR_LIBTORCH (a libtorch folder, or the `torch`
// folder of a Python installation), the PyTorch of the user's Python, Debian's libtorch-dev.
//
// As a program (from binding.gyp) it prints one entry of what scripts/build-torch.cjs found and put into
// MIMICSR_LIBTORCH_FOUND: include, lib, libraries, flags; or the C++ files: sources (the addon), loops.
'use strict';
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

/**
 * @typedef {object} Found
 * @property {string} from where it was found, in words
 * @property {string} version such as "2.9.0"
 * @property {string[]} include folders of headers
 * @property {string} lib folder of libraries
 * @property {string[]} libraries linker arguments
 * @property {string[]} flags compiler arguments: language standard and C++ ABI
 */

/** Folder with headers and libraries -> what to compile with, or a sentence saying what is missing. */
function inspect(from, include, lib) {
  const version = readVersion(include);
  if (!fs.existsSync(path.join(include[0], 'ATen', 'ATen.h')) || version === undefined) {
    return `${from}: no ATen/ATen.h in ${include[0]}`;
  }
  const core = path.join(lib, 'libc10.so');
  if (!fs.existsSync(core)) return `${from}: no libc10.so in ${lib}`;
  const libraries = ['-ltorch', '-ltorch_cpu', '-lc10'];
  if (fs.existsSync(path.join(lib, 'libtorch_cuda.so'))) libraries.push('-ltorch_cuda', '-lc10_cuda');
  const [major, minor] = version.split('.').map(Number);
  const standard = major > 2 || (major === 2 && minor >= 10) ? 'gnu++20' : 'gnu++17';
  return {
    from,
    version,
    include,
    lib,
    libraries,
    flags: [`-std=${standard}`, `-D_GLIBCXX_USE_CXX11_ABI=${usesCxx11Strings(core) ? 1 : 0}`],
  };
}

/** Version in the headers: one file says it in old releases, another in new ones. */
function readVersion(include) {
  for (const folder of include) {
    for (const file of [
      'torch/headeronly/version.h',
      'torch/version.h',
      'torch/csrc/api/include/torch/version.h',
    ]) {
      const header = path.join(folder, file);
      if (!fs.existsSync(header)) continue;
      const text = fs.readFileSync(header, 'utf8');
      const parts = ['MAJOR', 'MINOR', 'PATCH'].map(
        (part) => text.match(`define TORCH_VERSION_${part} (\\d+)`)?.[1],
      );
      if (parts.every((part) => part !== undefined)) return parts.join('.');
    }
  }
  return undefined;
}

/** Whether libc10 was built with the C++11 string ABI: its symbols name std::__cxx11::basic_string. */
function usesCxx11Strings(library) {
  return fs.readFileSync(library).includes('__cxx1112basic_string');
}

const headersOf = (root) => [path.join(root, 'include'), path.join(root, 'include/torch/csrc/api/include')];

function fromFolder(root, name) {
  return inspect(name, headersOf(root), path.join(root, 'lib'));
}

function fromPython(python) {
  let root;
  try {
    const code =
      'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")';
    root = execFileSync(python, ['-c', code], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return `${python}: cannot be run`;
  }
  return root === ''
    ? `${python}: has no torch`
    : fromFolder(root, `the torch package of ${python} (${root})`);
}

function fromDebian() {
  const folders = fs.existsSync('/usr/lib')
    ? fs.readdirSync('/usr/lib').map((name) => `/usr/lib/${name}`)
    : [];
  const lib = folders.find((folder) => fs.existsSync(path.join(folder, 'libtorch.so')));
  if (lib === undefined) return "Debian's libtorch-dev: not installed";
  return inspect("Debian's libtorch-dev", ['/usr/include', '/usr/include/torch/csrc/api/include'], lib);
}

/**
 * Looks in the documented order.
 * @returns {{ found?: Found, tried: string[] }} the first usable one, and a sentence for each that was not
 */
function findLibtorch(env = process.env) {
  const tried = [];
  const named = env.MIMICSR_LIBTORCH;
  const places = named
    ? [() => fromFolder(path.resolve(named), `MIMICSR_LIBTORCH (${named})`)] // pinned: no other is tried
    : [() => fromPython('python3'), () => fromPython('/usr/bin/python3'), fromDebian];
  for (const look of places) {
    const result = look();
    if (typeof result !== 'string') return { found: result, tried };
    tried.push(result);
  }
  return { tried };
}

/** C++ files of these folders, relative to this one. */
function sources(...folders) {
  return folders.flatMap((folder) =>
    fs
      .readdirSync(path.join(__dirname, folder))
      .filter((file) => file.endsWith('.cc'))
      .sort()
      .map((file) => `${folder}/${file}`),
  );
}

if (require.main === module) {
  const what = process.argv[2];
  const found = JSON.parse(process.env.MIMICSR_LIBTORCH_FOUND ?? '{}');
  const list = { ...found, sources: sources('core', 'kernels'), loops: sources('loops') }[what];
  if (list === undefined)
    throw new Error(`binding.gyp is run by scripts/build-torch.cjs; nothing known of "${what}"`);
  process.stdout.write([list].flat().join('\n'));
}

module.exports = { findLibtorch };
