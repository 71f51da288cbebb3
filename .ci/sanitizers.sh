#!/usr/bin/env bash
# The core under tools that see what tests do not: .ci/sanitizers.sh [PART ...], all but "quick" by
# default.
#
#   quick     AddressSanitizer and UndefinedBehaviorSanitizer, the kernel tests for one ISA: what
#             .ci/run does
#   address   the same for every ISA of this machine, and the tests of programs and hostile shapes
#   thread    ThreadSanitizer, the kernel tests and those of threads. GCC's OpenMP runtime is opaque
#             to it, so this build makes the team's threads itself (csrc/runtime/threads.cpp)
#   memcheck  valgrind, a sample of the kernel tests' runs
#   neon      the NEON kernels, cross-compiled with aarch64-linux-gnu-g++: the kernel tests' runs
#             again under qemu-aarch64 (Debian: g++-aarch64-linux-gnu qemu-user)
#   tidy      clang-tidy with .clang-tidy
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

sanitized() { # ISA, arguments of Python, in the tree of the build
  # CPython keeps memory until it ends, which is not a leak of the core. Tests ask for more memory
  # than there is, and want an error.
  PYTHONPATH=$PWD LD_PRELOAD="$(library libasan.so) $(library libubsan.so)" FASTCONV_ISA=$1 \
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
    "$python" "${@:2}"
}

quick() {
  build address address,undefined
  cd "$work/address/tree"
  FASTCONV_SHARE=worth sanitized "" -m pytest -q -p no:cacheprovider python_tests/kernels \
    python_tests/test_kernels.py
  cd "$root"
}

address() {
  build address address,undefined
  cd "$work/address/tree"
  for isa in $(sanitized "" -c 'from fastconv import _core; print(*_core.available_isas())'); do
    echo "== address, undefined: $isa"
    sanitized "$isa" -m pytest -q -p no:cacheprovider python_tests/kernels \
      python_tests/test_kernels.py python_tests/test_programs.py python_tests/test_hostile.py \
      python_tests/test_fuzz_corpus.py
  done
  cd "$root"
}

thread() {
  build thread thread
  cd "$work/thread/tree"
  echo "== thread"
  # pytest swallows what a test prints. The threads of NumPy's BLAS are not instrumented.
  local options=exitcode=66:log_path=$work/thread/report
  rm -f "$work"/thread/report.*
  local run=(env "PYTHONPATH=$PWD" "LD_PRELOAD=$(library libtsan.so)" "TSAN_OPTIONS=$options")
  run+=(OPENBLAS_NUM_THREADS=1 "$python" -m pytest -q -p no:cacheprovider)
  # Left out: forked children and programs that are killed, which the sanitizer does not follow, and
  # a model that is used while it trains, whose weights are read as they change.
  local left_out="child or interpreter or signals or interrupts or default or used"
  if ! { "${run[@]}" python_tests/test_threads.py -k "not ($left_out)" &&
    "${run[@]}" python_tests/kernels python_tests/test_kernels.py; }; then
    cat "$work"/thread/report.* 2> /dev/null || true
    exit 1
  fi
  cd "$root"
}

record() { # what the kernel tests ask of the SSE4.2 kernels, and what they give
  build plain ""
  [ ! -f "$work/runs" ] || return 0
  cd "$work/plain/tree"
  RECORD=$work/runs.new FASTCONV_ISA=sse42 PYTHONPATH=$PWD:$PWD/python_tests "$python" -m pytest -q \
    -p no:cacheprovider -p record_plans python_tests/kernels python_tests/test_kernels.py
  cd "$root"
  mv "$work/runs.new" "$work/runs"
}

memcheck() {
  record
  echo "== memcheck"
  g++ -std=gnu++20 -O1 -g -fopenmp -Icsrc -I.ci/native .ci/native/replay.cpp \
    $(find "$work/plain" -name '*.o' -not -path '*/bindings/*') -o "$work/replay"
  FASTCONV_ISA=avx2 valgrind -q --error-exitcode=9 --fair-sched=yes "$work/replay" "$work/runs" 50
}

neon() {
  record
  echo "== neon"
  local sources=(csrc/kernels/*.cpp csrc/dispatch/*.cpp csrc/runtime/*.cpp csrc/ops/*.cpp)
  sources+=(csrc/plan/*.cpp .ci/native/replay.cpp)
  mkdir -p "$work/neon"
  printf '%s\0' "${sources[@]}" | xargs -0 -P "$(nproc)" -I{} sh -c \
    'aarch64-linux-gnu-g++ -std=gnu++20 -O2 -Wno-psabi -fopenmp -ffp-contract=fast -fno-math-errno \
     -fno-trapping-math -DFASTCONV_ISA=neon -Icsrc -I.ci/native -c {} \
     -o "$0/of_$(echo {} | tr / _).o"' "$work/neon"
  aarch64-linux-gnu-g++ -static -fopenmp "$work"/neon/*.o -o "$work/neon/replay"
  qemu-aarch64 "$work/neon/replay" "$work/runs" "${EVERY:-1}"
}

tidy() { # with the widest vectors of x86, whatever machine this is
  echo "== clang-tidy"
  local openmp python_headers pybind11
  openmp=$(dirname "$("${CXX:-g++}" -print-file-name=include/omp.h)")
  python_headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  pybind11=$("$python" -m pybind11 --includes)
  printf '%s\0' csrc/*/*.cpp csrc/kernels/*/*.cpp .ci/native/*.cpp |
    xargs -0 -P "$(nproc)" -I{} sh -c 'clang-tidy --quiet "$@" 2>> "$0"' "$work/tidy.log" {} -- \
      --target=x86_64-linux-gnu -march=x86-64-v4 -mavx512bf16 -DFASTCONV_ISA=avx512bf16 \
      -std=c++20 -Icsrc -I.ci/native -isystem "$python_headers" ${pybind11//-I/-isystem } \
      -idirafter "$openmp"
}

[ $# -gt 0 ] || set -- address thread memcheck neon tidy
for part in "$@"; do "$part"; done
echo "== clean"
