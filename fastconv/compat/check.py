"""What a script asks of Keras that fastconv does not have, found without running it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fastconv.compat.arguments import parameters, unknown_value
from fastconv.compat.modules import AnsweredModule, NotCoveredError, answered
from fastconv.models import Model, clone_model, load_model, model_from_json

_ANSWERED = ("keras", "tensorflow")
_MODEL_MAKERS = (clone_model, load_model, model_from_json)


class Problem(NamedTuple):
    """Something that is not covered, and where it is used."""

    line: int
    message: str


def check(source: str) -> list[Problem]:
    """Everything that a script names of Keras and TensorFlow and fastconv lacks, by line.

    Imports, attributes of imported modules, arguments of layers, functions and of the methods of
    models, the names of optimizers, losses and the like, and weights to download are looked at.
    What a ``try`` with an ``except ImportError`` guards is left out, and what a ``hasattr`` guards.

    >>> check("from keras.layers import LSTM")
    [Problem(line=1, message='keras.layers.LSTM is not covered')]

    Raises:
        SyntaxError: if it is no Python.
        ValueError: for null bytes, by Python up to 3.11.3.
    """
    tree = ast.parse(source)
    stored = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and _is_set(n)}
    checker = _Checker(frozenset(stored))
    checker.visit(tree)
    return sorted(set(checker.problems))


@dataclass(frozen=True)
class _Known:
    """What an expression is: an object at a path of Keras, or an instance of a class."""

    path: str
    value: Any
    instance: bool = False


@dataclass
class _Checker(ast.NodeVisitor):
    stored: frozenset[str]  # attributes that the script sets itself
    names: dict[str, _Known] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    seen: dict[int, _Known | None] = field(default_factory=dict)  # by id of the expression

    def _report(self, node: Any, message: str) -> None:
        self.problems.append(Problem(node.lineno, message))

    # Imports

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            top = alias.name.partition(".")[0]
            if top not in _ANSWERED:
                self.names.pop(alias.asname or top, None)
                continue
            try:
                module = answered(alias.name)
            except NotCoveredError as error:
                self._report(node, f"{error.name} is not covered")
                continue
            if alias.asname:
                self.names[alias.asname] = _Known(alias.name, module)
            else:
                self.names[top] = _Known(top, answered(top))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        path = node.module or ""
        if node.level or path.partition(".")[0] not in _ANSWERED:
            for alias in node.names:
                self.names.pop(alias.asname or alias.name, None)
            return
        try:
            module = _Known(path, answered(path))
        except NotCoveredError as error:
            self._report(node, f"{error.name} is not covered")
            return
        for alias in node.names:
            for name in module.value.__all__ if alias.name == "*" else [alias.name]:
                found = self._attribute(node, module, name)
                if found is not None:
                    self.names[alias.asname or name] = found

    def visit_Try(self, node: ast.Try) -> None:
        guarded = any(h.type is None or _names_import_error(h.type) for h in node.handlers)
        before = len(self.problems)
        for statement in node.body:
            self.visit(statement)
        if guarded:
            del self.problems[before:]
        for part in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(part)

    def visit_If(self, node: ast.If) -> None:
        self._branches(node.test, node.body, node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._branches(node.test, [node.body], [node.orelse])

    def _branches(self, test: ast.expr, body: Sequence[ast.AST], orelse: Sequence[ast.AST]) -> None:
        self.visit(test)
        condition, otherwise = test, orelse
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            condition, otherwise = test.operand, body
        for part in otherwise if self._lacks(condition) else (*body, *orelse):
            self.visit(part)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for value in node.values:
            self.visit(value)
            if isinstance(node.op, ast.And) and self._lacks(value):
                break

    def _lacks(self, condition: ast.expr) -> bool:
        """Whether a condition asks by ``hasattr`` for what is not covered."""
        if isinstance(condition, ast.BoolOp) and isinstance(condition.op, ast.And):
            return any(self._lacks(value) for value in condition.values)
        match condition:
            case ast.Call(ast.Name("hasattr"), [of, ast.Constant(str(name))]):
                before = len(self.problems)
                self._evaluated(ast.Attribute(of, name, ast.Load(), lineno=condition.lineno))
                lacking = len(self.problems) > before
                del self.problems[before:]
                return lacking
        return False

    # Names

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        known = self._known(node.value)
        for target in node.targets:
            self._bind(target, known)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self._bind(node.target, self._known(node.value))

    def visit_For(self, node: ast.For) -> None:
        self.visit(node.iter)
        self._bind(node.target, None)
        for statement in (*node.body, *node.orelse):
            self.visit(statement)

    def _bind(self, target: ast.expr, known: _Known | None) -> None:
        self.visit(target)
        if isinstance(target, ast.Name) and known is not None:
            self.names[target.id] = known

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.names.pop(node.id, None)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.names.pop(node.name, None)
        self.generic_visit(node)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
    ) -> None:
        outside = dict(self.names)
        for generator in node.generators:  # before what they bind names for
            self.visit(generator)
        self.generic_visit(node)
        self.names = outside

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        """Its arguments and its own names hide those outside."""
        outside = dict(self.names)
        if not isinstance(node, ast.Lambda):
            outside.pop(node.name, None)
            for decorator in node.decorator_list:
                self.visit(decorator)
        listed = node.args
        for default in (*listed.defaults, *listed.kw_defaults):
            if default is not None:
                self.visit(default)
        for argument in (*listed.posonlyargs, *listed.args, *listed.kwonlyargs):
            self.names.pop(argument.arg, None)
        for rest in (listed.vararg, listed.kwarg):
            if rest is not None:
                self.names.pop(rest.arg, None)
        for statement in [node.body] if isinstance(node, ast.Lambda) else node.body:
            self.visit(statement)
        self.names = outside

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.names.pop(node.name, None)
        outside = dict(self.names)
        self.generic_visit(node)
        self.names = outside

    # Expressions

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._known(node)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self._known(node)
        self.generic_visit(node)

    def _known(self, node: ast.expr) -> _Known | None:
        if id(node) not in self.seen:
            self.seen[id(node)] = self._evaluated(node)
        return self.seen[id(node)]

    def _evaluated(self, node: ast.expr) -> _Known | None:
        if isinstance(node, ast.Name):
            return self.names.get(node.id)
        if isinstance(node, ast.Attribute):
            base = self._known(node.value)
            return None if base is None else self._attribute(node, base, node.attr)
        if isinstance(node, ast.Call):
            called = self._known(node.func)
            return None if called is None else self._call(node, called)
        return None

    def _attribute(self, node: Any, base: _Known, name: str) -> _Known | None:
        path = f"{base.path}.{name}"
        if isinstance(base.value, AnsweredModule):
            try:
                below = name in base.value.children
                return _Known(path, answered(path) if below else getattr(base.value, name))
            except (AttributeError, ImportError):
                self._report(node, f"{path} is not covered")
                return None
        if isinstance(base.value, type) and callable(getattr(base.value, name, None)):
            found = getattr(base.value, name)
            bound = base.instance and not hasattr(found, "__self__")
            return _Known(path, _Method(found) if bound else found)
        if base.instance and base.value.__module__.startswith("fastconv.models"):
            self._missing_method(node, base, path)
        return None

    def _missing_method(self, node: Any, base: _Known, path: str) -> None:
        """An attribute that models do not have, unless the script sets it."""
        if isinstance(node, ast.Attribute) and not _is_set(node):
            known = hasattr(base.value, node.attr) or node.attr in ("name", "built", "dtype")
            if not known and node.attr not in self.stored:
                self._report(node, f"{path} is not covered")

    def _call(self, node: ast.Call, called: _Known) -> _Known | None:
        value = called.value
        method = isinstance(value, _Method)
        function = value.function if method else value
        if not callable(function) or isinstance(function, AnsweredModule) or called.instance:
            return None
        positional, names = parameters(function)
        if positional is not None and method:
            positional = positional[1:]
        starred = any(isinstance(a, ast.Starred) for a in node.args)
        if positional is not None and not starred and len(node.args) > len(positional):
            self._report(
                node,
                f"{called.path} takes {len(positional)} positional arguments, "
                f"{len(node.args)} are given",
            )
        given = list(zip(positional or [], node.args, strict=False)) if not starred else []
        for keyword in node.keywords:
            if keyword.arg is None:
                continue
            given.append((keyword.arg, keyword.value))
            if names is not None and keyword.arg not in names:
                self._report(keyword.value, f"{called.path}({keyword.arg}=) is not covered")
        for parameter, argument in given:
            self._strings(called.path, parameter, argument)
        complete = not starred and all(k.arg for k in node.keywords)
        if complete and _is_net(function, names) and "weights" not in dict(given):
            self._report(node, f"{called.path}(weights='imagenet'), its default, is not covered")
        if isinstance(function, type):
            return _Known(called.path, function, instance=True)
        return _Known(called.path, Model, instance=True) if function in _MODEL_MAKERS else None

    def _strings(self, path: str, parameter: str, argument: ast.expr) -> None:
        listed = argument.elts if isinstance(argument, (ast.List, ast.Tuple)) else [argument]
        for item in listed:
            if (
                isinstance(item, ast.Constant)
                and isinstance(item.value, str)
                and unknown_value(parameter, item.value)
            ):
                self._report(item, f"{path}({parameter}={item.value!r}) is not covered")


@dataclass(frozen=True)
class _Method:
    """A function that takes the instance first."""

    function: Any


def _is_net(function: Any, names: set[str] | None) -> bool:
    module = str(getattr(function, "__module__", ""))
    return module.startswith("fastconv.applications.") and "weights" in (names or ())


def _is_set(node: ast.Attribute) -> bool:
    return not isinstance(node.ctx, ast.Load)


def _names_import_error(handler: ast.expr) -> bool:
    listed = handler.elts if isinstance(handler, ast.Tuple) else [handler]
    catching = ("ImportError", "ModuleNotFoundError", "Exception", "AttributeError")
    return any(isinstance(n, ast.Name) and n.id in catching for n in listed)
