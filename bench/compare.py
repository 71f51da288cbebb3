"""Whole training steps of seven nets, fastconv against the libraries that are installed.

    python bench/compare.py --out results            # everything
    python bench/compare.py --nets cifar_lab lenet5 --peers fastconv torch --rounds 5

The same as ``fastconv bench``.
"""

import sys

from fastconv.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", *sys.argv[1:]]))
