"""The base class of layers: weights, building, calling, configuration."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any

from fastconv import constraints, initializers, ops, regularizers
from fastconv.graph.precision import BFLOAT16, computing_in
from fastconv.graph.primitive import Trace, as_array, bind, current_trace
from fastconv.graph.primitives.common import is_float
from fastconv.graph.primitives.pointwise import autocast
from fastconv.graph.structure import flatten, map_structure
from fastconv.graph.tensor import Shape, Tensor, Variable
from fastconv.layers.building import building
from fastconv.layers.configuration import (
    Configured,
    default_training,
    parameters,
    policy_of,
    positional,
)
from fastconv.layers.functional import FunctionalNode, output_specs, record
from fastconv.layers.input_spec import InputSpec
from fastconv.layers.state import WeightHolder
from fastconv.naming import unique_name
from fastconv.utils import limits

_FLOATS = ("float32", BFLOAT16)


@dataclass(frozen=True)
class _Call:
    """What a call hands on to the calls inside it."""

    training: bool | None  # None: nobody said
    path: tuple[str, ...]


_CALL: ContextVar[_Call | None] = ContextVar("fastconv_call", default=None)


def _once_built(build: Callable[..., Any]) -> Callable[..., Any]:
    """Building a second time does nothing; afterwards the layer knows what it was built for."""

    @functools.wraps(build)
    def wrapper(self: Layer, *args: Any, **kwargs: Any) -> None:
        with building(self):
            if self.built:
                return
            shape = args[0] if args else next(iter(kwargs.values()), None)
            build_shape = None if shape is None else as_shape(shape)
            build(self, *args, **kwargs)
            self._build_shape = build_shape
            self.built = True

    return wrapper


class Layer(Configured, WeightHolder):
    """A function of tensors with weights.

    Subclasses override ``call(inputs)`` (with a ``training`` argument where it matters), create
    their weights with :meth:`add_weight` in ``build(input_shape)`` or the constructor, and override
    :meth:`get_config` to be saved. A layer called on NumPy arrays runs at once; on the tensors of
    :func:`Input` it becomes a node of a functional model.

    Args:
        name: unique in a model; made from the class name if None.
        trainable: whether training changes the weights.
        dtype: a dtype policy or its name: ``"float32"``, ``"mixed_bfloat16"`` or ``"bfloat16"``;
            None is the global policy.
        autocast: whether float inputs are cast to the compute dtype.
        input_shape: the shape of one example, for the first layer of a ``Sequential``.
        batch_input_shape: the same with the batch's dimension first; used if both are given.
        activity_regularizer: a penalty on the outputs, per example.

    Raises:
        TypeError: on an unknown argument.
    """

    input_spec: InputSpec | Sequence[InputSpec | None] | None = None
    _casts_inputs = True
    autocast = True
    __signature__: inspect.Signature
    _inbound_nodes: list[FunctionalNode]
    _losses: list[Any]
    _build_shape: Any
    _complete: bool  # a call went through: all that it needs is built

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        layer = super().__new__(cls)
        start = {
            "built": False,
            "_complete": False,
            "_init_arguments": (args, kwargs),
            "_inbound_nodes": [],
            "_trainable_variables": [],
            "_non_trainable_variables": [],
            "_losses": [],
            "_build_shape": None,
            "_trainable": True,
        }
        layer.__dict__.update(start)
        return layer

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _once_built(cls.__dict__["build"])  # type: ignore[method-assign]
        if "__init__" in cls.__dict__:  # what help() shows, instead of __new__'s *args
            signature = inspect.signature(cls.__dict__["__init__"])
            own = list(signature.parameters.values())[1:]
            cls.__signature__ = signature.replace(parameters=own, return_annotation=cls)

    def __init__(
        self,
        *,
        name: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        input_shape: Any = None,
        batch_input_shape: Sequence[int | None] | None = None,
        activity_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        input_dim = kwargs.pop("input_dim", None)
        self.autocast = bool(kwargs.pop("autocast", True))
        if kwargs:
            raise TypeError(f"{type(self).__name__} got unknown arguments: {', '.join(kwargs)}")
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise ValueError(f"a layer's name must be a string without '/', got {name!r}")
        self.name = name or unique_name(type(self).__name__)
        self._trainable = bool(trainable)
        self.dtype_policy = policy_of(dtype)
        self.dtype = self.dtype_policy.variable_dtype
        self.activity_regularizer = regularizers.get(activity_regularizer)
        if input_dim is not None and input_shape is None:
            input_shape = (input_dim,)
        if batch_input_shape is None and input_shape is not None:
            if isinstance(input_shape, int):
                raise ValueError(f"input_shape must be a tuple, got {input_shape!r}")
            batch_input_shape = (None, *input_shape)
        self._batch_input_shape = None if batch_input_shape is None else tuple(batch_input_shape)

    # Building

    def build(self, input_shape: Any) -> None:
        """Create the weights for inputs of a shape; the batch dimension is None."""
        self._build_shape = as_shape(input_shape)
        self.built = True

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: str | None = None,
        trainable: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        name: str | None = None,
        autocast: bool = True,
    ) -> Variable:
        """A new weight of the layer (a scalar where ``shape`` is None). With ``autocast``, ``call``
        reads it in the layer's compute dtype.

        Raises:
            ValueError: if a dimension is None or negative.
        """
        shape = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        if any(d is None or d < 0 for d in shape):
            raise ValueError(f"layer {self.name!r}: a weight cannot have shape {shape}")
        limits.spend(shape)
        dtype = dtype or "float32"
        if initializer is None:
            initializer = "glorot_uniform" if dtype == "float32" else "zeros"
        name = name or f"variable_{len(self._own_variables)}"
        context = _CALL.get()
        path = "/".join((*(context.path if context else ()), self.name, name))
        # In a context of its own an initializer makes numbers, also while a program is traced.
        value = Context().run(initializers.get(initializer), shape, dtype=dtype)
        variable = Variable(
            value,
            dtype=dtype,
            trainable=trainable,
            name=name,
            path=path,
            autocast=autocast,
        )
        if variable.shape != shape:
            raise ValueError(
                f"layer {self.name!r}: the initializer of {name!r} returned shape "
                f"{variable.shape} where {shape} was asked for"
            )
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        own = self._trainable_variables if trainable else self._non_trainable_variables
        own.append(variable)
        return variable

    def get_build_config(self) -> dict[str, Any] | None:
        return None if self._build_shape is None else {"input_shape": self._build_shape}

    def build_from_config(self, config: dict[str, Any]) -> None:
        shape = config.get("input_shape", config.get("shapes_dict"))
        if shape is not None and not self.built:
            self.build(as_shape(shape))

    # Calling

    def call(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not override call")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if "name" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}.__init__ must call super().__init__() before it is used"
            )
        if current_trace() is None:
            if any(isinstance(x, Tensor) for x in flatten((args, kwargs))):
                return record(self, args, kwargs)
            args, kwargs = map_structure(_as_input, (args, kwargs))
        return self._run(args, kwargs)

    def _run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call on arrays, or on tensors inside a trace."""
        outer = _CALL.get()
        if outer is not None or self._complete:
            return self._run_within(outer, args, kwargs)
        if all(layer.built for layer in self._flatten_layers()):
            self._complete = True
            return self._run_within(None, args, kwargs)
        with building(self):
            outputs = self._run_within(None, args, kwargs)
        self._complete = True
        return outputs

    def _run_within(
        self, outer: _Call | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        args, kwargs = self._with_named_training(args, kwargs)
        trace = current_trace()
        if outer is None and trace is None:
            for layer in self._flatten_layers():
                layer._losses.clear()
        context = _Call(
            self._resolve_training(kwargs, outer),
            (*(outer.path if outer else ()), self.name),
        )
        self._ensure_built(args, kwargs)
        token = _CALL.set(context)
        try:
            with self._scope(trace), computing_in(self.compute_dtype):
                if self._casts_inputs and self.autocast:
                    args, kwargs = map_structure(self._in_compute_dtype, (args, kwargs))
                outputs = self.call(*args, **kwargs)
                if self.dtype_policy.rounds_results:
                    outputs = map_structure(_rounded, outputs)
                if self.activity_regularizer is not None:
                    self._penalize(outputs)
        except (ValueError, TypeError, IndexError) as error:
            if getattr(error, "layer", None) is not None:
                raise
            kind = next(k for k in (ValueError, TypeError, IndexError) if isinstance(error, k))
            named: Any = kind(f"in layer {self.name!r} ({type(self).__name__}): {error}")
            named.layer = self.name
            raise named from error
        finally:
            _CALL.reset(token)
        return outputs

    def _with_named_training(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """``training``, and what comes after it, as keyword arguments."""
        names = positional(type(self).call)[: len(args)]
        if "training" not in names or len(names) < len(args):
            return args, kwargs
        place = names.index("training")
        given = dict(zip(names[place:], args[place:], strict=True))
        if not given.keys().isdisjoint(kwargs):
            return args, kwargs
        return args[:place], {**kwargs, **given}

    def _resolve_training(self, kwargs: dict[str, Any], outer: _Call | None) -> bool | None:
        """Explicit argument, else the surrounding call's, else the default; in kwargs if taken."""
        given = kwargs.pop("training", None)
        if kwargs.get("mask", ...) is None and "mask" not in parameters(type(self).call):
            del kwargs["mask"]
        said = given if given is not None else outer.training if outer else None
        training = None if said is None else bool(said)
        if "training" in parameters(type(self).call):
            default = default_training(type(self).call)
            kwargs["training"] = bool(default) if training is None else training
        return training

    def _ensure_built(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        inputs = args[0] if args else next(iter(kwargs.values()), None)
        self._check_inputs(inputs)
        if not self.built:
            self.build(map_structure(_shape_of, inputs))
            self.built = True

    def _check_inputs(self, inputs: Any) -> None:
        spec = self.input_spec
        if spec is None:
            return
        try:
            given = flatten(inputs)
            specs: list[Any] = [spec] * len(given) if isinstance(spec, InputSpec) else list(spec)
            if len(specs) != len(given):
                raise ValueError(
                    f"layer {self.name!r} expects {len(specs)} inputs, got {len(given)}"
                )
            for one, x in zip(specs, given, strict=True):
                if one is not None and hasattr(x, "shape"):
                    one.check(self.name, x)
        except ValueError as error:
            error.layer = self.name  # type: ignore[attr-defined]
            raise

    def _in_compute_dtype(self, x: Any) -> Any:
        """A float tensor in the dtype that the layer computes in."""
        dtype = getattr(x, "dtype", "")
        if isinstance(x, Tensor) and dtype in _FLOATS:
            return autocast(x, self.compute_dtype)
        return x

    def _scope(self, trace: Trace | None) -> Any:
        return nullcontext() if trace is None else trace.named(self.name)

    def _penalize(self, outputs: Any) -> None:
        for y in flatten(outputs):
            loss = self.activity_regularizer(y)
            if len(y.shape) > 0:
                loss = loss / ops.cast(ops.shape(y)[0], "float32")
            self.add_loss(loss)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the outputs for inputs of a shape."""
        shapes = as_shape(input_shape)
        many = isinstance(shapes, list)
        tensors = [Tensor(s) for s in shapes] if many else Tensor(shapes)
        return map_structure(lambda t: t.shape, output_specs(self, (tensors,), {}))

    # Losses

    def add_loss(self, loss: Any) -> None:
        """Add a scalar to what training minimises; to be called inside ``call``."""
        for value in loss if isinstance(loss, (list, tuple)) else [loss]:
            trace = current_trace()
            if trace is not None:
                trace.losses.append(value)
            else:
                self._losses.append(value)

    @property
    def losses(self) -> list[Any]:
        """Weight penalties, and outside a trace what the last call on arrays added."""
        found: list[Any] = []
        if current_trace() is None:
            for layer in self._flatten_layers():
                found.extend(layer._losses)
        for variable in self.trainable_weights:
            if variable.regularizer is not None:
                found.append(variable.regularizer(variable))
        return found

    # Files

    def _layers_in_files(self) -> list[Layer] | None:
        """Layers that weight files number; others are found by the attributes that hold them."""
        return None

    def _class_in_files(self) -> str:
        return type(self).__name__

    # Functional models

    @property
    def input(self) -> Any:
        """The tensors that the layer was first called on in a functional model, as in Keras."""
        return self._first_node().inputs

    @property
    def output(self) -> Any:
        """The tensors that its first call returned."""
        return self._first_node().outputs

    @property
    def input_shape(self) -> Any:
        """Shape of the inputs, the batch dimension None."""
        if self._inbound_nodes:
            return map_structure(lambda t: t.shape, self._inbound_nodes[0].inputs)
        if self._build_shape is not None:
            return self._build_shape
        raise AttributeError(f"layer {self.name!r} has not been called: its shapes are not known")

    @property
    def output_shape(self) -> Any:
        if self._inbound_nodes:
            return map_structure(lambda t: t.shape, self._inbound_nodes[0].outputs)
        return self.compute_output_shape(self.input_shape)

    def _first_node(self) -> FunctionalNode:
        if not self._inbound_nodes:
            raise AttributeError(
                f"layer {self.name!r} has not been called on symbolic tensors: it has no input or "
                "output"
            )
        return self._inbound_nodes[0]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def as_float(x: Any) -> Any:
    """``x`` as a float: images may come as uint8, labels and counts as integers."""
    return x if is_float(str(x.dtype)) else ops.cast(x, "float32")


def _as_input(x: Any) -> Any:
    if x is None or isinstance(x, (bool, int, float, str, Variable)):
        return x
    return as_array(x)


def _rounded(x: Any) -> Any:
    """A float tensor or array rounded to bfloat16."""
    return bind("cast", x, dtype=BFLOAT16) if str(getattr(x, "dtype", "")) in _FLOATS else x


def _shape_of(x: Any) -> Shape:
    shape = tuple(getattr(x, "shape", ()))
    return (None, *shape[1:]) if shape else shape


def as_shape(shape: Any) -> Any:
    """Tuples for shapes, also where a file made lists of them.

    Raises:
        ValueError: for a size that is no whole number.
    """
    if isinstance(shape, dict):
        return {k: as_shape(v) for k, v in shape.items()}
    if isinstance(shape, (list, tuple)):
        if any(isinstance(d, (list, tuple)) for d in shape):
            return [as_shape(s) for s in shape]
        return tuple(None if d is None else as_size(d) for d in shape)
    return shape


def as_size(size: Any, what: str = "a size of a shape") -> int:
    """A size from Python, NumPy or a file.

    Raises:
        ValueError: for what is no whole number.
    """
    if isinstance(size, float) and size.is_integer():
        return int(size)
    try:
        return operator.index(size)
    except TypeError:
        raise ValueError(f"{what} must be a whole number or None, got {size!r}") from None
