#!/usr/bin/env bash
# The core under sanitizers: .ci/sanitizers.sh [address] [thread] [neon], all of them by default.
#
#   address  AddressSanitizer and UndefinedBehaviorSanitizer, the kernel tests and those of hostile
#            shapes, for every ISA of this machine
#   thread   ThreadSanitizer, the tests of threads. GCC's OpenMP runtime is opaque to
#            it, so this build makes the team's threads itself (csrc/runtime/threads.cpp)
#   neon     the NEON kernels, cross-compiled with aarch64-linux-gnu-g++, against plain loops under
#            qemu-aarch64 (Debian: g++-aarch64-linux-gnu qemu-user)
#
# Needs GCC's sanitizer libraries, CMake, and a python3 with NumPy, pybind11, pytest and hypothesis
# (PYTHON names another one). WORK keeps the builds for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=${PYTHON:-python3}
work=${WORK:-$(mktemp -d)}
mkdir -p "$work"
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
export PYTHONDONTWRITEBYTECODE=1

build() { # name, sanitizers: a copy of the package with a core built with them
  cmake -S "$root" -B "$work/$1" -DFASTCONV_SANITIZE="$2" -DPython_EXECUTABLE="$(command -v "$python")" \
    -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" > "$work/$1.log"
  cmake --build "$work/$1" -j "$(nproc)" >> "$work/$1.log"
  rm -rf "$work/$1/tree"
  mkdir "$work/$1/tree"
  cp -r fastconv python_tests pyproject.toml "$work/$1/tree"
  rm -f "$work/$1/tree/fastconv"/_core*.so
  cp "$work/$1"/_core*.so "$work/$1/tree/fastconv"
}

library() { "${CXX:-g++}" -print-file-name="$1"; }

address() {
  build address address,undefined
  cd "$work/address/tree"
  for isa in $(PYTHONPATH=$PWD LD_PRELOAD="$(library libasan.so) $(library libubsan.so)" \
    ASAN_OPTIONS=detect_leaks=0 "$python" -c \
    'from fastconv import _core; print(*_core.available_isas())'); do
    echo "== address, undefined: $isa"
    # CPython keeps memory until it ends, which is not a leak of the core.
    PYTHONPATH=$PWD LD_PRELOAD="$(library libasan.so) $(library libubsan.so)" FASTCONV_ISA=$isa \
      ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
      "$python" -m pytest -q -p no:cacheprovider python_tests/kernels python_tests/test_kernels.py \
      python_tests/test_programs.py python_tests/test_hostile.py
  done
  cd "$root"
}

thread() {
  build thread thread
  cd "$work/thread/tree"
  echo "== thread"
  # Left out: forked children and programs that are killed, which the sanitizer does not follow, and
  # a model that is used while it trains, whose weights are read as they change.
  PYTHONPATH=$PWD LD_PRELOAD=$(library libtsan.so) TSAN_OPTIONS=exitcode=66 \
    "$python" -m pytest -q -p no:cacheprovider python_tests/test_threads.py \
    -k "not child and not interpreter and not signals and not interrupts and not default and not used"
  cd "$root"
}

neon() {
  echo "== neon"
  local sources=(csrc/kernels/*.cpp csrc/dispatch/*.cpp csrc/runtime/*.cpp csrc/ops/*.cpp)
  sources+=(csrc/plan/*.cpp .ci/neon.cpp)
  mkdir -p "$work/neon"
  printf '%s\0' "${sources[@]}" | xargs -0 -P "$(nproc)" -I{} sh -c \
    'aarch64-linux-gnu-g++ -std=gnu++20 -O2 -Wno-psabi -fopenmp -ffp-contract=fast -fno-math-errno \
     -fno-trapping-math -DFASTCONV_ISA=neon -Icsrc -c {} -o "$0/of_$(echo {} | tr / _).o"' "$work/neon"
  aarch64-linux-gnu-g++ -static -fopenmp "$work"/neon/*.o -o "$work/neon/check"
  qemu-aarch64 "$work/neon/check"
}

for part in "${@:-address thread neon}"; do
  for name in $part; do "$name"; done
done
echo "== clean"
