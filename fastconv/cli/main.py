"""The arguments of the commands, and how their errors are told."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from fastconv import config

DATASETS = ("digits", "mnist", "fashion_mnist", "cifar10", "cifar100")
MODELS = ("cnn", "mlp", "lenet5", "resnet20", "vgg")
OPTIMIZERS = ("sgd", "rmsprop", "adam", "adamw", "nadam", "adamax", "adagrad", "adadelta")

_TRAIN = """\
Train a net on a data set, then write into DIR: model.keras, history.json, and (with matplotlib)
curves.png and confusion.png. The data set's test part is the validation data. The state of the
training is kept in DIR/checkpoint, for --resume.

Without options it trains a small convolutional net on digits, 1,797 handwritten digits that come
with the package; that takes seconds.

models
  cnn       convolutions, pooling, a dense layer, dropout; sized to the images (default)
  mlp       two dense layers of 512
  lenet5    LeNet-5 (LeCun et al., 1998); images of 12x12 and larger
  resnet20  ResNet-20 (He et al., 2015)
  vgg       three pairs of convolutions with batch normalization; images of 8x8 and larger
"""
_EXAMPLES = """\
examples
  fastconv train
  fastconv train --dataset mnist --epochs 3
  fastconv train --dataset cifar10 --optimizer rmsprop --lr 5e-4 --batch-size 128 --epochs 5
"""
_PREDICT = """\
Say what a saved model sees in each image (PNG, JPEG ...; needs the extra "plots"). An image is
converted to the model's size and channels, with values from 0 to 1.
"""
_RUN = """\
Run a Python script or a notebook that imports keras, or tensorflow.keras, unchanged: fastconv
answers for them, in that process alone. A notebook is written beside, with its outputs, as
FILE.out.ipynb (needs the extra "notebooks"). The file is first checked for what is not covered.
"""
_BENCH = """\
Measure whole training steps, each library in a process of its own; the processes take turns.
Libraries that are not installed are left out.

nets
  cifar_lab, mnist_cnn, mnist_mlp, lenet5, resnet20, vgg, pima_mlp
  (resnet20 with two projections, which that of "fastconv train" does without)
peers
  fastconv, fastconv_fast   precision "default" and "fast"
  fastconv_bf16             dtype policy "mixed_bfloat16"
  torch, torch_bf16         PyTorch, channels last; with bfloat16 autocast
  keras_tf, keras_jax       Keras with TensorFlow and with JAX
  numpy                     fastconv's own reference in NumPy
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        The exit status: 0, 1 where ``run`` finds what is not covered, 2 after an error, 130 after
        Ctrl-C.
    """
    options = _parser().parse_args(argv)
    try:
        run: Callable[[argparse.Namespace], int] = import_module(
            f"fastconv.cli.{options.command}"
        ).run
        return run(options)
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        print(
            f"fastconv {options.command}: error: {str(error) or 'out of memory'}", file=sys.stderr
        )
        return 2
    except KeyboardInterrupt:
        print(f"fastconv {options.command}: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fastconv", description="Train and use conv nets and MLPs on multicore CPUs."
    )
    version = import_module("fastconv").__version__
    parser.add_argument("--version", action="version", version=f"fastconv {version}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_train(commands)

    evaluate = commands.add_parser(
        "evaluate",
        help="measure a saved model on a data set",
        description="Measure loss and accuracy of a saved model on a data set's test part.",
    )
    evaluate.add_argument("model", type=Path, metavar="MODEL", help="a .keras file")
    evaluate.add_argument("--dataset", choices=DATASETS, required=True)
    evaluate.add_argument("--batch-size", type=_positive, default=256, metavar="N")
    _add_threads(evaluate)

    predict = commands.add_parser(
        "predict", help="classify images with a saved model", description=_PREDICT
    )
    predict.add_argument("model", type=Path, metavar="MODEL", help="a .keras file")
    predict.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    predict.add_argument("--top", type=_positive, default=3, help="classes to show (default 3)")
    predict.add_argument(
        "--invert",
        action="store_true",
        help="for dark drawings on white, as nets see white on dark",
    )
    _add_threads(predict)

    run = commands.add_parser("run", help="run a Keras script or notebook", description=_RUN)
    run.add_argument(
        "--check", action="store_true", help="only list what is not covered; 1 if there is any"
    )
    run.add_argument("--unchecked", action="store_true", help="run without checking first")
    run.add_argument("file", type=Path, metavar="FILE", help="a .py or .ipynb file")
    run.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT", help="of the script"
    )

    _add_bench(commands)

    info = commands.add_parser(
        "info",
        help="show the version, the machine and the data found",
        description="Show the version, the kernels that this machine can run and those chosen "
        "(FASTCONV_ISA chooses others), threads, measured peaks, and the data sets found.",
    )
    _add_threads(info)
    return parser


def _add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    train = commands.add_parser(
        "train",
        help="train a net on a data set",
        description=_TRAIN,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    train.add_argument("--dataset", choices=DATASETS, default="digits", help="default: digits")
    train.add_argument("--model", choices=MODELS, default="cnn", help="default: cnn")
    train.add_argument("--epochs", type=_positive, metavar="N", help="passes over the data")
    train.add_argument("--batch-size", type=_positive, metavar="N", help="examples in a step")
    train.add_argument(
        "--optimizer", choices=OPTIMIZERS, help="sgd has momentum 0.9; by default the model's own"
    )
    train.add_argument("--lr", type=_positive_real, metavar="RATE", help="learning rate")
    train.add_argument(
        "--seed", type=_seed, default=0, metavar="N", help="of all random numbers (default 0)"
    )
    _add_threads(train)
    train.add_argument(
        "--conv-precision",
        choices=config.CONV_PRECISIONS,
        help="high: plain sums in 3x3 convolutions, slower; fast: coarser than by default",
    )
    train.add_argument(
        "--out", type=Path, metavar="DIR", help="default: fastconv-DATASET-MODEL, here"
    )
    train.add_argument(
        "--resume",
        action="store_true",
        help="go on with a training in DIR that was interrupted, from its last epoch or 5 minutes",
    )
    train.add_argument(
        "--verbose",
        type=int,
        choices=(0, 1, 2),
        default=1,
        help="0: only the final table; 1: progress bar (default); 2: one line an epoch",
    )


def _add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    bench = commands.add_parser(
        "bench",
        help="compare training speed with other libraries",
        description=_BENCH,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    bench.add_argument("--nets", nargs="+", metavar="NET", help="default: all")
    bench.add_argument("--peers", nargs="+", metavar="PEER", help="default: all installed")
    _add_threads(bench)
    bench.add_argument("--rounds", type=_positive, default=5, metavar="N", help="default: 5")
    bench.add_argument(
        "--seconds",
        type=_positive_real,
        default=1.0,
        metavar="S",
        help="of one library in one round (default 1)",
    )
    bench.add_argument(
        "--isa", help="of fastconv and its peers: sse42, avx2, avx512, neon (default: the best)"
    )
    bench.add_argument(
        "--out",
        type=Path,
        default=Path("fastconv-bench"),
        metavar="DIR",
        help="for results.json, results.md and results.png (default: fastconv-bench, here)",
    )


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", type=_positive, metavar="N", help="default: OMP_NUM_THREADS or every CPU"
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer, got {text}")
    return value


def _positive_real(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text}")
    return value


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"must be in [0, 2**32), got {text}")
    return value


for _type, _name in ((_positive, "integer"), (_positive_real, "number"), (_seed, "integer")):
    _type.__name__ = _name  # argparse names the type in its message: "invalid integer value"
