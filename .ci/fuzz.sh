#!/usr/bin/env bash
# Coverage-guided fuzzing: .ci/fuzz.sh [SECONDS] [READER | plan ...], a minute of the processor's time
# each by default.
#
# Readers of files are fuzzed with atheris (pip install atheris), plans of the core with libFuzzer,
# AddressSanitizer and UndefinedBehaviorSanitizer (Debian: clang libomp-dev). Each starts from
# python_tests/fuzz/corpus; what it finds is left in WORK/found, and belongs into that corpus, where
# python_tests/test_fuzz_corpus.py replays it.
#
# Needs a python3 with fastconv's requirements and a built fastconv (PYTHON names another one).
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
seconds=${1:-60}
work=${WORK:-$(mktemp -d)}
corpus=python_tests/fuzz/corpus
mkdir -p "$work/found" "$work/objects"
export PYTHONPATH=$PWD PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
status=0

fuzz() { # name, command: until it has used the seconds
  mkdir -p "$work/$1"
  "${@:2}" -timeout=120 -rss_limit_mb=3000 -print_final_stats=1 -artifact_prefix="$work/found/$1-" &
  local pid=$! used=0 now
  while now=$(ps -o cputimes= -p $pid); do
    used=$now
    [ "$used" -lt "$seconds" ] || kill -USR1 $pid  # libFuzzer ends with its statistics
    sleep 2
  done
  echo "stat::seconds_of_the_processor: $used"
  wait $pid
}

plan() {
  local flags=(-O1 -g1 -fno-omit-frame-pointer -fno-sanitize-recover=all -Icsrc -I.ci/native)
  flags+=(-fsanitize=address,undefined)
  local kernels=(-Wno-psabi -fno-exceptions -fno-rtti -fno-math-errno -ffp-contract=fast)
  # The kernels by GCC, which is faster at them; coverage of the rest guides the fuzzer.
  local isas="sse42:x86-64-v2 avx2:x86-64-v3 avx512:x86-64-v4 avx512bf16:x86-64-v4"
  for isa in $isas; do
    for source in csrc/kernels/*.cpp; do
      [ "${isa%:*}" != avx512bf16 ] || grep -q bf16 <<< "$source" || continue
      echo g++ -std=gnu++20 "${flags[@]}" "${kernels[@]}" -march="${isa#*:}" \
        "$([ "${isa%:*}" != avx512bf16 ] || echo -mavx512bf16)" -DFASTCONV_ISA="${isa%:*}" \
        -c "$source" -o "$work/objects/${isa%:*}_$(basename "$source" .cpp).o"
    done
  done > "$work/compile"
  for source in csrc/kernels/zen4/*.cpp; do
    echo g++ -std=gnu++20 "${flags[@]}" "${kernels[@]}" -march=x86-64-v4 -DFASTCONV_ISA=zen4 \
      -c "$source" -o "$work/objects/zen4_$(basename "$source" .cpp).o"
  done >> "$work/compile"
  for source in csrc/{dispatch,runtime,ops,plan}/*.cpp .ci/native/fuzz_plan.cpp; do
    echo clang++ -std=c++20 "${flags[@]}" -fsanitize=fuzzer-no-link -fopenmp -c "$source" \
      -o "$work/objects/$(tr / _ <<< "core/$source").o"
  done >> "$work/compile"
  xargs -P "$(nproc)" -I{} sh -c '{}' < "$work/compile" || return 1
  clang++ -fsanitize=fuzzer,address,undefined -fopenmp "$work"/objects/*.o -o "$work/fuzz_plan" ||
    return 1
  fuzz plan "$work/fuzz_plan" "$work/plan" "$corpus/plan" -max_len=700
}

reader() {
  fuzz "$1" "$python" python_tests/fuzz/fuzz_readers.py "$1" "$work/$1" -max_len=20000
}

[ $# -gt 1 ] || set -- "$seconds" $(ls "$corpus")
for target in "${@:2}"; do
  echo "== $target, $seconds seconds"
  case $target in plan) plan ;; *) reader "$target" ;; esac > "$work/$target.log" 2>&1 || status=1
  grep -E "number_of_executed|seconds_of|SUMMARY|Error" "$work/$target.log"
done
ls -l "$work/found"
exit $status
