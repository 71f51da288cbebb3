"""Lets the tests import what lies beside them, shares the shortest loops among threads, and prints
what became of the ONNX cases."""

import os
import sys
from collections import Counter, defaultdict
from pathlib import Path
from textwrap import fill
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
# Most loops of small nets are too short for a second thread. Read as fastconv is imported, here and
# in processes that tests start.
os.environ.setdefault("FASTCONV_SHARE", "all")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many cases of each operator ran and passed, and which are out of scope, and why."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    left_out: dict[str, list[str]] = defaultdict(list)
    for reports in terminalreporter.stats.values():
        for report in reports:
            known = dict(getattr(report, "user_properties", ()))
            operator = known.get("onnx operator")
            if operator is None or report.when != "call":
                continue
            counts[operator]["cases"] += 1
            counts[operator][report.outcome] += 1
            if "onnx out of scope" in known:
                name, _, reason = known["onnx out of scope"].partition(": ")
                left_out[reason].append(name.removeprefix("test_"))
    if not counts:
        return
    write = terminalreporter.write_line
    terminalreporter.section("ONNX node cases")
    write(f"{'operator':28} {'cases':>5} {'ran':>5} {'passed':>6} {'out of scope':>12}")
    total: Counter[str] = Counter()
    for operator, found in [*sorted(counts.items()), ("all", total)]:
        ran = found["passed"] + found["failed"]
        row = f"{operator:28} {found['cases']:5} {ran:5} {found['passed']:6} {found['skipped']:12}"
        write(row)
        total.update(found)
    for reason, names in sorted(left_out.items()):
        text = f"out of scope, fastconv {reason}: {', '.join(sorted(names))}"
        write(fill(text, 80, subsequent_indent="  ", break_long_words=False))
