#!/usr/bin/env bash
# Which lines the tests run, in Python and in C++: .ci/coverage.sh [arguments of pytest].
#
# Builds the core with gcov's counters, runs all the tests in it, prints the share of lines of every
# file that is below 95 % and of the whole, and fails if that is below 95 % for either language.
# Python that the tests start in processes of its own is counted too, unless it is killed.
#
# Needs GCC, CMake, and a python3 with the requirements of the tests, pybind11, coverage (7.10 or
# later) and gcovr (PYTHON names another one). WORK keeps the build for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=${PYTHON:-python3}
work=${WORK:-$(mktemp -d)}
mkdir -p "$work"
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
export PYTHONDONTWRITEBYTECODE=1

cmake -S . -B "$work/build" -DFASTCONV_COVERAGE=ON -DPython_EXECUTABLE="$(command -v "$python")" \
  -Dpybind11_DIR="$("$python" -m pybind11 --cmakedir)" > "$work/build.log"
cmake --build "$work/build" -j "$(nproc)" >> "$work/build.log"
find "$work/build" -name '*.gcda' -delete
rm -rf "$work/tree" "$work/python"
mkdir "$work/tree" "$work/python"
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$work/tree"
cp "$work/build"/_core*.so "$work/tree/fastconv"

cat > "$work/coveragerc" <<RC
[run]
source_pkgs = fastconv
concurrency = thread
parallel = true
patch = subprocess
data_file = $work/python/data
disable_warnings = no-data-collected, module-not-imported, module-not-measured
[report]
fail_under = 95
skip_covered = true
exclude_also =
    if TYPE_CHECKING:
    \.\.\.$
RC
cd "$work/tree"
export PYTHONPATH=$PWD COVERAGE_RCFILE=$work/coveragerc
failed=0
"$python" -m coverage run -m pytest -q -p no:cacheprovider "$@" || failed=1
# Once more for the other ISAs: the kernels are compiled for each.
for isa in $("$python" -c 'from fastconv import _core; print(*_core.available_isas())'); do
  FASTCONV_ISA=$isa "$python" -m pytest -q -p no:cacheprovider python_tests/kernels \
    python_tests/test_kernels.py || failed=1
done
"$python" -m coverage combine -q
"$python" -m coverage report | tee "$work/python.txt" || failed=1

cd "$root"
"$python" -m gcovr --root . --filter csrc/ --merge-lines --fail-under-line 95 \
  --gcov-ignore-parse-errors=all "$work/build" --txt "$work/cpp.txt" || failed=1
awk '$4 + 0 < 95 || /TOTAL/' "$work/cpp.txt"
exit $failed
