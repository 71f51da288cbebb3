"""Products, norms and decompositions. Decompositions are NumPy's (LAPACK), in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastconv.graph import bind, operation
from fastconv.graph.primitives.common import size_of, sized
from fastconv.ops.arrangement import diagonal, tril, triu
from fastconv.ops.comparison import count_nonzero
from fastconv.ops.elementwise import absolute, clip, maximum, power, sqrt, square
from fastconv.ops.host import host, with_gradient
from fastconv.ops.layout import expand_dims, moveaxis, reshape, stack, swapaxes
from fastconv.ops.linear import matmul, tensordot
from fastconv.ops.operand import as_float, normalize_axis, operand
from fastconv.ops.reduction import max, mean, min, sum


@operation
def outer(x1: Any, x2: Any) -> Any:
    """The products of each element of x1 with each of x2, both flattened."""
    return reshape(x1, (-1, 1)) * reshape(x2, (1, -1))


@operation
def inner(x1: Any, x2: Any) -> Any:
    """The sums of products over the last axis of both."""
    x1, x2 = operand(x1), operand(x2)
    if x1.ndim == 0 or x2.ndim == 0:
        return x1 * x2
    return tensordot(x1, x2, axes=([x1.ndim - 1], [x2.ndim - 1]))


@operation
def vdot(x1: Any, x2: Any) -> Any:
    """The sum of the products of all elements."""
    return sum(reshape(x1, -1) * reshape(x2, -1))


@operation
def kron(x1: Any, x2: Any) -> Any:
    """x2 times each element of x1, in blocks."""
    x1, x2 = operand(x1), operand(x2)
    n = np.maximum(x1.ndim, x2.ndim)
    a = [1] * (n - x1.ndim) + list(x1.shape)
    b = [1] * (n - x2.ndim) + list(x2.shape)
    left = reshape(x1, [d for k in a for d in (k, 1)])
    right = reshape(x2, [d for k in b for d in (1, k)])
    return reshape(left * right, [i * j for i, j in zip(a, b, strict=True)])


@operation
def cross(
    x1: Any, x2: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None
) -> Any:
    """Vector products of vectors of 3 numbers."""
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = moveaxis(x1, axisa, -1), moveaxis(x2, axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"cross: vectors must have 3 elements, got {a.shape} and {b.shape}")
    p, q = ([t[..., i] for i in range(3)] for t in (a, b))
    parts = [p[i] * q[j] - p[j] * q[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return moveaxis(stack(parts, axis=-1), -1, axisc)


@operation
def norm(
    x: Any,
    ord: int | float | str | None = None,
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
) -> Any:
    """The norm of vectors (one axis) or matrices (two axes); None gives the root of the squares.

    >>> float(norm([3.0, 4.0]))
    5.0
    """
    x = as_float(x)
    if axis is None and ord is None:
        total = sqrt(sum(square(x)))
        return reshape(total, [1] * x.ndim) if keepdims else total
    over = range(x.ndim) if axis is None else np.atleast_1d(axis)
    axes = [normalize_axis("norm", a, x.ndim) for a in over]
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ValueError(f"norm: needs one axis or two, got {axes}")
    return _matrix_norm(x, ord, axes, keepdims)


def _vector_norm(x: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    size = absolute(x)
    if ord is None or ord == 2:
        return sqrt(sum(square(x), axis, keepdims))
    if ord == 1:
        return sum(size, axis, keepdims)
    if ord == 0:
        return sum(bind("cast", bind("not_equal", x, 0.0), dtype="float32"), axis, keepdims)
    if ord == np.inf:
        return max(size, axis, keepdims)
    if ord == -np.inf:
        return min(size, axis, keepdims)
    if isinstance(ord, str):
        raise ValueError(f"norm: ord {ord!r} is not one of vectors")
    return power(sum(power(size, float(ord)), axis, keepdims), 1.0 / ord)


def _matrix_norm(x: Any, ord: Any, axes: list[int], keepdims: bool) -> Any:
    if ord in (None, "fro"):
        return sqrt(sum(square(x), axes, keepdims))
    rows, columns = axes
    if ord in (1, -1, np.inf, -np.inf):
        over, rest = (rows, columns) if abs(ord) == 1 else (columns, rows)
        lines = sum(absolute(x), over, keepdims=True)
        found = (max if ord > 0 else min)(lines, rest, keepdims=True)
    elif ord in (2, -2, "nuc"):
        matrices = moveaxis(moveaxis(x, rows, -1), columns - (columns > rows), -1)
        values = svd(matrices, compute_uv=False)
        reduce: Callable[..., Any] = sum if ord == "nuc" else (max if ord == 2 else min)
        found = reduce(values, -1)
        kept = [1 if i in axes else d for i, d in enumerate(sized(x.shape))]
        found = reshape(found, kept)
    else:
        raise ValueError(f"norm: ord {ord!r} is not one of matrices")
    if keepdims:
        return found
    return reshape(found, [d for i, d in enumerate(sized(x.shape)) if i not in axes])


@operation
def normalize(x: Any, axis: int = -1, order: float = 2, epsilon: float | None = None) -> Any:
    """x divided by its norms along an axis, which count as at least ``epsilon`` (1e-7).

    >>> normalize([3.0, 4.0])
    array([0.6, 0.8], dtype=float32)
    """
    x = as_float(x)
    least = 1e-7 if epsilon is None else float(epsilon)
    if order == 2:  # a smooth gradient at 0
        total = sum(square(x), axis, keepdims=True)
        return x * bind("rsqrt", maximum(total, least * least))
    return x / maximum(norm(x, order, axis, keepdims=True), least)


def cdist(x: Any, y: Any, p: float = 2.0) -> Any:
    """The distances of each row of x to each row of y (..., n, d), (..., m, d) -> (..., n, m)."""
    gap = expand_dims(as_float(x), -2) - expand_dims(as_float(y), -3)
    return norm(gap, p, axis=-1)


@operation
def corrcoef(x: Any) -> Any:
    """The correlations of the rows of a matrix."""
    x = as_float(x)
    x = reshape(x, (1, -1)) if x.ndim == 1 else x
    apart = x - mean(x, -1, keepdims=True)
    products = matmul(apart, swapaxes(apart, -1, -2))
    spread = sqrt(diagonal(products))
    found = clip(products / spread / reshape(spread, (-1, 1)), -1.0, 1.0)
    return found[0, 0] if found.shape == (1, 1) else found


@operation
def einsum(subscripts: str, *operands: Any) -> Any:
    """Sums of products over the named axes that the result does not have.

    >>> einsum("ij,jk->ik", np.ones((2, 3)), np.ones((3, 4))).shape
    (2, 4)

    Raises:
        ValueError: for subscripts that do not fit the operands.
    """
    xs = [operand(x) for x in operands]
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(xs):
        raise ValueError(f"einsum: {subscripts!r} has {len(terms)} operands, got {len(xs)}")
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in subscripts]
    elided = [
        x.ndim - len(t.replace("...", "")) for t, x in zip(terms, xs, strict=True) if "..." in t
    ]
    widest = np.max([0, *elided])
    ellipsis = "".join(free[: int(widest)])
    named = []
    for term, x in zip(terms, xs, strict=True):
        own = x.ndim - len(term.replace("...", ""))
        named.append(term.replace("...", ellipsis[len(ellipsis) - own :] if own > 0 else ""))
        if len(named[-1]) != x.ndim:
            raise ValueError(f"einsum: {term!r} of {subscripts!r} does not fit shape {x.shape}")
    if arrow:
        result = output.replace("...", ellipsis)
    else:
        letters = "".join(named)
        once = sorted(c for c in set(letters) if letters.count(c) == 1 and c not in ellipsis)
        result = ellipsis + "".join(once)
    if not set(result) <= set("".join(named)) or len(set(result)) != len(result):
        raise ValueError(f"einsum: {subscripts!r} has a result that the operands do not give")
    parts = [_own_diagonals(t, x) for t, x in zip(named, xs, strict=True)]
    term, x = parts[0]
    for i, (other, y) in enumerate(parts[1:], 1):
        later = set(result).union(*(t for t, _ in parts[i + 1 :]))
        term, x = _contract(term, x, other, y, later)
    gone = [i for i, c in enumerate(term) if c not in result]
    x = sum(x, gone) if gone else x
    term = "".join(c for c in term if c in result)
    perm = [term.index(c) for c in result]
    return x if perm == sorted(perm) else bind("transpose", x, perm=perm)


def _own_diagonals(term: str, x: Any) -> tuple[str, Any]:
    """An operand without letters that come twice."""
    for c in term:
        while term.count(c) > 1:
            a, b = term.index(c), term.rindex(c)
            if x.shape[a] != x.shape[b]:
                raise ValueError(f"einsum: axes {a} and {b} of shape {x.shape} differ")
            x = diagonal(x, 0, a, b)
            term = "".join(d for i, d in enumerate(term) if i not in (a, b)) + c
    return term, x


def _contract(a: str, x: Any, b: str, y: Any, later: set[str]) -> tuple[str, Any]:
    """Two operands as one: a product of matrices for each index that both have and that stays."""
    for c in a:
        if c in b and x.shape[a.index(c)] != y.shape[b.index(c)]:
            if 1 in (x.shape[a.index(c)], y.shape[b.index(c)]):
                return _broadcast_product(a, x, b, y)
            raise ValueError(f"einsum: index {c!r} has sizes of {x.shape} and {y.shape}")
    x, a = _summed(x, a, set(b) | later)
    y, b = _summed(y, b, set(a) | later)
    both = [c for c in a if c in b and c in later]
    inside = [c for c in a if c in b and c not in later]
    left = [c for c in a if c not in b]
    right = [c for c in b if c not in a]
    sizes = dict(zip(a, sized(x.shape), strict=True)) | dict(zip(b, sized(y.shape), strict=True))
    x = bind("transpose", x, perm=[a.index(c) for c in both + left + inside])
    y = bind("transpose", y, perm=[b.index(c) for c in both + inside + right])
    groups = {"left": left, "inside": inside, "right": right}
    count = {k: size_of([sizes[c] for c in v]) for k, v in groups.items()}
    batch = [sizes[c] for c in both]
    if not both and -1 in sizes.values():  # the batch is one of the rows
        x = bind("reshape", x, shape=[*[sizes[c] for c in left], count["inside"]])
        z = matmul(x, bind("reshape", y, shape=[count["inside"], count["right"]]))
    else:
        x = bind("reshape", x, shape=[*batch, count["left"], count["inside"]])
        z = matmul(x, bind("reshape", y, shape=[*batch, count["inside"], count["right"]]))
    names = both + left + right
    return "".join(names), bind("reshape", z, shape=[sizes[c] for c in names])


def _broadcast_product(a: str, x: Any, b: str, y: Any) -> tuple[str, Any]:
    names = a + "".join(c for c in b if c not in a)
    x = bind("reshape", x, shape=[*sized(x.shape), *[1] * (len(names) - len(a))])
    order = [b.index(c) for c in names if c in b]
    y = bind("transpose", y, perm=order)
    dims = iter(sized(y.shape))
    y = bind("reshape", y, shape=[next(dims) if c in b else 1 for c in names])
    return names, x * y


def _summed(x: Any, term: str, needed: set[str]) -> tuple[Any, str]:
    gone = [i for i, c in enumerate(term) if c not in needed]
    return (sum(x, gone) if gone else x), "".join(c for c in term if c in needed)


def _square(name: str, x: Any) -> Any:
    x = as_float(x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"{name}: needs square matrices in the last two axes, got {x.shape}")
    return x


def _t(x: Any) -> Any:
    return swapaxes(x, -1, -2)


@operation
def inv(x: Any) -> Any:
    """The inverse of square matrices."""
    x = _square("inv", x)
    (y,) = host([x.shape], ["float32"], "inv", np.linalg.inv, x)
    return with_gradient(y, [x], lambda dy: -matmul(matmul(_t(y), dy), _t(y)))


@operation
def det(x: Any) -> Any:
    """The determinant of square matrices."""
    x = _square("det", x)
    (y,) = host([x.shape[:-2]], ["float32"], "det", np.linalg.det, x)
    return with_gradient(y, [x], lambda dy: _t(inv(x)) * expand_dims(expand_dims(dy * y, -1), -1))


@operation
def slogdet(x: Any) -> tuple[Any, Any]:
    """The sign of the determinant, and the logarithm of its magnitude."""
    x = _square("slogdet", x)
    shapes = [x.shape[:-2]] * 2
    sign, y = host(shapes, ["float32"] * 2, "slogdet", lambda a: tuple(np.linalg.slogdet(a)), x)
    y = with_gradient(y, [x], lambda dy: _t(inv(x)) * expand_dims(expand_dims(dy, -1), -1))
    return sign, y


@operation
def logdet(x: Any) -> Any:
    """The logarithm of the determinant of positive definite matrices."""
    return slogdet(x)[1]


@operation
def solve(a: Any, b: Any) -> Any:
    """x with a @ x = b, for square matrices a and vectors or matrices b."""
    a, b = _square("solve", a), as_float(b)
    vector = b.ndim == a.ndim - 1
    rhs = expand_dims(b, -1) if vector else b
    (y,) = host([rhs.shape], ["float32"], "solve", np.linalg.solve, a, rhs)

    def backward(dy: Any) -> list[Any]:
        db = solve(_t(a), dy)
        return [-matmul(db, _t(y)), db]

    y = with_gradient(y, [a, rhs], backward)
    return reshape(y, sized(b.shape)) if vector else y


@operation
def solve_triangular(a: Any, b: Any, lower: bool = False) -> Any:
    """x with a @ x = b, of a only the triangle below (or above) the diagonal."""
    return solve(tril(a) if lower else triu(a), b)


@operation
def cholesky(x: Any, upper: bool = False) -> Any:
    """The lower triangle L with x = L @ L^T of positive definite matrices (its transpose: upper).

    Raises:
        numpy.linalg.LinAlgError: where a matrix is not positive definite.
    """
    x = _square("cholesky", x)
    (y,) = host([x.shape], ["float32"], "cholesky", np.linalg.cholesky, x)
    n = x.shape[-1]
    half = np.tril(np.ones((n, n), np.float32)) - 0.5 * np.eye(n, dtype=np.float32)

    def backward(dy: Any) -> Any:  # Murray, arXiv:1602.07527
        phi = matmul(_t(y), dy) * half
        inverse = inv(y)
        s = matmul(matmul(_t(inverse), phi), inverse)
        return [0.5 * (s + _t(s))]

    y = with_gradient(y, [x], backward)
    return _t(y) if upper else y


@operation
def cholesky_inverse(x: Any, upper: bool = False) -> Any:
    """The inverse of the matrices whose Cholesky factors are given."""
    low = _t(_square("cholesky_inverse", x)) if upper else _square("cholesky_inverse", x)
    inverse = inv(low)
    return matmul(_t(inverse), inverse)


@operation
def qr(x: Any, mode: str = "reduced") -> tuple[Any, Any]:
    """An orthogonal and an upper triangular matrix whose product is x; no gradient."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode must be 'reduced' or 'complete', got {mode!r}")
    x = as_float(x)
    n, m = x.shape[-2:]
    k = n if mode == "complete" else int(np.minimum(n, m))
    lead = x.shape[:-2]

    def run(a: Any) -> Any:
        return tuple(np.linalg.qr(a, mode=mode))  # type: ignore[call-overload]

    q, r = host([(*lead, n, k), (*lead, k, m)], ["float32"] * 2, "qr", run, x)
    return q, r


@operation
def svd(x: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Singular values, largest first, between the matrices u and v^T whose product is x.

    Gradients flow through the singular values.
    """
    x = as_float(x)
    n, m = x.shape[-2:]
    k = int(np.minimum(n, m))
    lead = x.shape[:-2]
    left, right = (n, m) if full_matrices else (k, k)
    shapes = [(*lead, n, left), (*lead, k), (*lead, right, m)]

    def run(a: Any) -> Any:
        return tuple(np.linalg.svd(a, full_matrices=full_matrices))

    u, s, v = host(shapes, ["float32"] * 3, "svd", run, x)

    def backward(ds: Any) -> list[Any]:
        return [matmul(u[..., :k] * expand_dims(ds, -2), v[..., :k, :])]

    s = with_gradient(s, [x], backward)
    return (u, s, v) if compute_uv else s


@operation
def eigh(x: Any) -> tuple[Any, Any]:
    """Eigenvalues, smallest first, and eigenvectors (columns) of symmetric matrices.

    Gradients flow through the eigenvalues.
    """
    x = _square("eigh", x)
    shapes = [x.shape[:-1], x.shape]
    w, v = host(shapes, ["float32"] * 2, "eigh", lambda a: tuple(np.linalg.eigh(a)), x)
    w = with_gradient(w, [x], lambda dw: [matmul(v * expand_dims(dw, -2), _t(v))])
    return w, v


def _noise(x: Any) -> float:
    """Singular values of matrices in float32 are exact up to so much of the largest."""
    return float(np.max(x.shape[-2:]) * np.finfo(np.float32).eps)


@operation
def pinv(x: Any, rcond: float | None = None) -> Any:
    """The pseudo-inverse of matrices; no gradient.

    Singular values below ``rcond`` times the largest count as 0; by default those that are noise of
    float32.
    """
    x = as_float(x)
    cut = _noise(x) if rcond is None else rcond
    shape = (*x.shape[:-2], x.shape[-1], x.shape[-2])
    return host([shape], ["float32"], "pinv", lambda a: np.linalg.pinv(a, rcond=cut), x)[0]


@operation
def lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    """x that makes the squares of a @ x - b smallest; no gradient."""
    a, b = as_float(a), as_float(b)
    shape = (a.shape[1], *b.shape[1:])

    def run(a: Any, b: Any) -> Any:
        return np.linalg.lstsq(a, b, rcond)[0]

    return host([shape], ["float32"], "lstsq", run, a, b)[0]


@operation
def matrix_rank(x: Any, tol: float | None = None) -> Any:
    """How many singular values are above ``tol``, int32."""
    s = svd(x, compute_uv=False)
    least = max(s, -1, keepdims=True) * _noise(as_float(x)) if tol is None else tol
    return count_nonzero(bind("greater", s, least), axis=-1)
