"""A dense layer over axes that are named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastconv import activations, constraints, initializers, ops, regularizers
from fastconv.layers.layer import Layer, as_float


class EinsumDense(Layer):
    """``einsum(equation, inputs, kernel)``, a bias and an activation.

    Args:
        equation: such as ``"ab,bc->ac"``, or with an ellipsis ``"...b,bc->...c"``.
        output_shape: of the result without the batch, None where the input's size stays.
        activation: applied to the result; None for none.
        bias_axes: the letters of the result that the bias has; None for no bias.
        kernel_initializer, bias_initializer: the first values of the weights.
        kernel_regularizer, bias_regularizer: penalties on the weights, added to the loss.
        kernel_constraint, bias_constraint: projections of the weights after every optimizer step.

    Raises:
        ValueError: when built, if equation, shapes and bias_axes do not fit together.

    >>> EinsumDense("abc,cd->abd", output_shape=(None, 4), bias_axes="d")(np.ones((2, 3, 5))).shape
    (2, 3, 4)
    """

    def __init__(
        self,
        equation: str,
        output_shape: Any,
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.equation = equation
        self.partial_output_shape = (
            (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        )
        self.bias_axes = bias_axes
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def _terms(self) -> tuple[str, str, str]:
        inputs, arrow, output = self.equation.replace(" ", "").partition("->")
        first, comma, kernel = inputs.partition(",")
        if not arrow or not comma or "," in kernel:
            raise ValueError(
                f"layer {self.name!r}: equation must be of the form 'ab,bc->ac', "
                f"got {self.equation!r}"
            )
        return first, kernel, output

    def _sizes(self, input_shape: Sequence[Any]) -> dict[str, Any]:
        """The size of each letter; those of an ellipsis stay out."""
        first, kernel, output = self._terms()
        sizes = self._named(first, tuple(input_shape))
        given = self.partial_output_shape
        letters = output.replace("...", "")
        wanted = [*([input_shape[0]] if "..." not in output else []), *given]
        if len(wanted) < len(letters) or ("..." not in output and len(wanted) > len(letters)):
            raise ValueError(f"layer {self.name!r}: output_shape {given} does not fit {output!r}")
        tail = wanted[len(wanted) - len(letters) :] if not output.endswith("...") else wanted
        for letter, size in zip(letters, tail, strict=False):
            if size is None:
                continue
            if sizes.setdefault(letter, size) not in (None, size):
                raise ValueError(
                    f"layer {self.name!r}: output_shape {given} has {size} for {letter!r} in "
                    f"{self.equation!r}, which is {sizes[letter]} in inputs of shape "
                    f"{tuple(input_shape)}"
                )
        for letter in kernel:
            if not isinstance(sizes.get(letter), int):
                raise ValueError(
                    f"layer {self.name!r}: the size of {letter!r} in {self.equation!r} is unknown"
                )
        return sizes

    def _named(self, term: str, shape: tuple[Any, ...]) -> dict[str, Any]:
        before, ellipsis, after = term.partition("...")
        if len(before) + len(after) > len(shape) or (not ellipsis and len(before) != len(shape)):
            raise ValueError(f"layer {self.name!r}: inputs of shape {shape} do not fit {term!r}")
        tail = shape[len(shape) - len(after) :] if after else ()
        return dict(zip(before + after, (*shape[: len(before)], *tail), strict=True))

    def build(self, input_shape: Any) -> None:
        _, kernel, output = self._terms()
        sizes = self._sizes(input_shape)
        self.kernel = self.add_weight(
            name="kernel",
            shape=[sizes[c] for c in kernel],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if self.bias_axes:
            letters = output.replace("...", "")
            unknown = [c for c in self.bias_axes if c not in letters]
            if unknown:
                raise ValueError(f"layer {self.name!r}: bias_axes {unknown} are not in {output!r}")
            after = letters[min(letters.index(c) for c in self.bias_axes) :]
            self.bias = self.add_weight(
                name="bias",
                shape=[sizes[c] if c in self.bias_axes else 1 for c in after],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )

    def call(self, inputs: Any) -> Any:
        y = ops.einsum(self.equation, as_float(inputs), self.kernel)
        if self.bias is not None:
            y = y + self.bias
        return self.activation(y)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "equation": self.equation,
            "output_shape": self.partial_output_shape,
            "activation": activations.serialize(self.activation),
            "bias_axes": self.bias_axes,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }
