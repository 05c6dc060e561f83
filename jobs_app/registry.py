"""Kinds: the handlers that jobs run, declared by ``@job`` on a typed function.

The signature is the single source of a kind's parameters: its pydantic model validates submissions and gives the web
form, the OpenAPI schema, the options of the command line and the docs.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import json
import pkgutil
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, ParamSpec, TypeVar, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo

from jobs_app.context import DetachedContext
from jobs_app.errors import BadDeclaration, UnknownKind, in_words
from jobs_app.parameters import Artifact, Secret
from jobs_app.policies import NO_RETRY, Backoff, Children, Unique

P = ParamSpec("P")
R = TypeVar("R")

SCALARS = (bool, int, float, str, Decimal, date, datetime, time, timedelta, UUID, Artifact, Secret)
NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
RESERVED = ("weir.", "celery.")
CONTEXT = "context"
INLINE_LIMIT = timedelta(seconds=10)
NOT_PLAIN = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)


@dataclass(frozen=True)
class Kind:
    """A registered handler with typed parameters and a policy.

    timeout: after this long the handler gets ``TimedOut``; ``hard_timeout``: its process is ended.
    atomic: the handler's database writes and the settlement commit together.
    unique: which jobs of this kind are alike, so that only one of them is accepted at a time.
    schedulable: whether a schedule may submit it.
    children: what its job waits for if the handler spawns other jobs; without it, it may not.
    alone: its jobs share no message with others however short they are, and each is settled at once.
    preview: called with the parameters (and ``context``, a ``Submitting``, if it takes one) while a job is submitted.
    inline: if nearly all its jobs take no longer than this, a caller who waits has it run in the request.
    """

    name: str
    function: Callable[..., Any]
    parameters: type[BaseModel]
    queue: str
    timeout: timedelta
    hard_timeout: timedelta
    retry: Backoff
    atomic: bool
    schedulable: bool
    takes_context: bool
    unique: Unique | None = None
    inline: timedelta | None = None
    children: Children | None = None
    preview: Callable[..., Any] | None = None
    alone: bool = False

    @cached_property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return self.description.splitlines()[0] if self.description else self.name

    @cached_property
    def description(self) -> str:
        """The handler's docstring."""
        return inspect.getdoc(self.function) or ""

    @cached_property
    def schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of the parameters."""
        return self.parameters.model_json_schema()

    @cached_property
    def has_secrets(self) -> bool:
        """Whether any parameter, however deep, is a ``Secret``."""
        return '"x-weir": "secret"' in json.dumps(self.schema)

    @cached_property
    def takes_files(self) -> bool:
        """Whether any parameter, however deep, is an ``Artifact``."""
        return '"x-weir": "artifact"' in json.dumps(self.schema)

    @cached_property
    def family(self) -> str:
        """The part of the name before its first dot."""
        return self.name.partition(".")[0]


class Job(Generic[P, R]):
    """What ``@job`` makes of a function: still callable as before, and able to ``submit`` a job."""

    def __init__(self, function: Callable[P, R], kind: Kind) -> None:
        self.kind = kind
        self._function = function
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self.__wrapped__ = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the plain function, here and now; a context is made up when none is given."""
        given = inspect.signature(self._function).bind_partial(*args, **kwargs).arguments
        added: dict[str, Any] = {
            name: field.get_default(call_default_factory=True)
            for name, field in self.kind.parameters.model_fields.items()
            if name not in given and field.default_factory is not None
        }
        if self.kind.takes_context and CONTEXT not in given:
            added[CONTEXT] = DetachedContext()
        return self._function(*args, **{**kwargs, **added})

    def submit(self, **parameters: Any) -> Any:
        """Submit a job of this kind with default options; returns the ledger's row. See ``submit_with``."""
        return self.submit_with(parameters)

    def submit_with(self, parameters: Mapping[str, Any], **options: Any) -> Any:
        """Submit with options, those of ``core.submission.submit`` (owner, due_at, priority, idempotency_key, …)."""
        return _bound("submit")(self.kind.name, parameters, **options)

    def submit_many(self, parameters: Iterable[Mapping[str, Any]], **options: Any) -> Any:
        """Submit a job for each of ``parameters``, which may be a generator of a million, with the same options for
        all. Returns how many were ``accepted`` and ``replayed``; see ``core.batches.submitting.submit_many``."""
        return _bound("submit_many")(self.kind.name, parameters, **options)


_kinds: dict[str, Kind] = {}
_verbs: dict[str, Callable[..., Any]] = {}


def bind(**verbs: Callable[..., Any]) -> None:
    """Name the functions that ``Job.submit`` and ``submit_many`` call. The application does this once, at start-up."""
    _verbs.update(verbs)


def _bound(verb: str) -> Callable[..., Any]:
    if verb not in _verbs:
        raise RuntimeError(f"expected Django to be set up before {verb}(): call django.setup() first")
    return _verbs[verb]


def job(
    name: str,
    *,
    queue: str = "default",
    timeout: timedelta = timedelta(minutes=10),
    hard_timeout: timedelta | None = None,
    retry: Backoff = NO_RETRY,
    atomic: bool = False,
    unique: Unique | None = None,
    schedulable: bool = True,
    inline: timedelta | None = None,
    children: Children | None = None,
    preview: Callable[..., Any] | None = None,
    alone: bool = False,
) -> Callable[[Callable[P, R]], Job[P, R]]:
    """Declare a kind.

    name: dotted lower-case words, ``family.verb``; unique.
    queue: the lane its jobs wait in (default ``default``).
    timeout: see ``Kind`` (default 10 minutes); hard_timeout: default timeout + 30 s.
    retry: when a failed attempt is tried again (default: never).
    atomic, unique, children, alone, inline: see ``Kind``; ``inline`` at most 10 s (default: never in the request).
    preview: runs in the submitting transaction; what it returns (JSON-ready, at most 16 KiB) is shown until there is
    a result, what it writes commits with the job, and what it raises refuses the submission. It must be quick.

    Raises BadDeclaration for a name, type or default that cannot work.
    """

    def declare(function: Callable[P, R]) -> Job[P, R]:
        where = f"{function.__module__}.{function.__qualname__}"
        _check_name(name, where)
        if any(each(function) for each in NOT_PLAIN):
            raise BadDeclaration(f"{where}: expected a plain function, got an async one or a generator")
        if timeout <= timedelta(0):
            raise BadDeclaration(f"{where}: expected a timeout above zero, got {timeout}")
        if inline is not None and not timedelta(0) < inline <= INLINE_LIMIT:
            raise BadDeclaration(f"{where}: expected inline above zero and at most {INLINE_LIMIT}, got {inline}")
        kind = Kind(
            name=name,
            function=function,
            parameters=_parameters_of(function, name, where),
            queue=queue,
            timeout=timeout,
            hard_timeout=timeout + timedelta(seconds=30) if hard_timeout is None else hard_timeout,
            retry=retry,
            atomic=atomic,
            schedulable=schedulable,
            takes_context=CONTEXT in inspect.signature(function).parameters,
            unique=unique,
            inline=inline,
            children=children,
            preview=preview,
            alone=alone,
        )
        if kind.hard_timeout < timeout:
            raise BadDeclaration(f"{where}: expected hard_timeout of at least timeout ({timeout}), got {hard_timeout}")
        strange = set(unique.by if unique else ()) - set(kind.parameters.model_fields)
        if strange:
            raise BadDeclaration(
                f"{where}: expected unique by parameters of the kind, got {', '.join(sorted(strange))}"
            )
        _check_preview(kind, where)
        _register(kind, where)
        return Job(function, kind)

    return declare


def find(name: str) -> Kind | None:
    """The kind of that name, or None: a row may outlive its kind."""
    return _kinds.get(name)


def get(name: str) -> Kind:
    """The kind of that name. Raises UnknownKind with the nearest names."""
    try:
        return _kinds[name]
    except KeyError:
        near = difflib.get_close_matches(name, _kinds, n=2) or sorted(_kinds)[:8]
        raise UnknownKind(
            f"expected one of the registered kinds, got {name[:100]!r}; did you mean {', '.join(near)}?"
        ) from None


def all_kinds() -> list[Kind]:
    """Every registered kind, by name."""
    return [_kinds[name] for name in sorted(_kinds)]


def load(modules: Iterable[str]) -> None:
    """Import modules (and, of a package, all below it) so that their kinds register."""
    for name in modules:
        module = importlib.import_module(name)
        for found in pkgutil.walk_packages(getattr(module, "__path__", []), prefix=f"{name}."):
            importlib.import_module(found.name)


def _register(kind: Kind, where: str) -> None:
    other = _kinds.get(kind.name)
    if other is not None:
        there = f"{other.function.__module__}.{other.function.__qualname__}"
        # Importing a module again (a reloader, a test) declares the same function anew; that is no clash.
        if there != where:
            raise BadDeclaration(f"{where}: the name {kind.name!r} is taken by {there}; choose another")
    _kinds[kind.name] = kind


def _check_name(name: str, where: str) -> None:
    if not NAME.fullmatch(name) or len(name) > 100:
        raise BadDeclaration(f"{where}: expected a name like 'reports.monthly' (lower case, dotted), got {name!r}")
    if name.startswith(RESERVED):
        raise BadDeclaration(f"{where}: names in {', '.join(RESERVED)} are reserved, got {name!r}")


def _check_preview(kind: Kind, where: str) -> None:
    """A preview takes some of the handler's parameters by name, and ``context`` if it likes."""
    if kind.preview is None:
        return
    if any(each(kind.preview) for each in NOT_PLAIN):
        raise BadDeclaration(f"{where}: expected a plain function as preview, got an async one or a generator")
    taken = inspect.signature(kind.preview).parameters
    strange = set(taken) - set(kind.parameters.model_fields) - {CONTEXT}
    if strange:
        raise BadDeclaration(
            f"{where}: expected a preview that takes parameters of the kind, got {', '.join(sorted(strange))}"
        )


def _parameters_of(function: Callable[..., Any], name: str, where: str) -> type[BaseModel]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise BadDeclaration(f"{where}: a type could not be found: {error}") from error
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == CONTEXT:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise BadDeclaration(f"{where}: expected named parameters only, got {parameter}")
        spot = f"{where}: parameter {parameter.name!r}"
        if parameter.name not in hints:
            raise BadDeclaration(f"{spot} has no type; annotate it, such as {parameter.name}: str")
        if parameter.name.startswith("_") or hasattr(BaseModel, parameter.name):
            raise BadDeclaration(f"{spot} has a name that pydantic reserves; choose another")
        _check_type(hints[parameter.name], spot)
        fields[parameter.name] = (hints[parameter.name], _default_of(parameter, hints[parameter.name], spot))
    title = "".join(part.title() for part in re.split(r"[._]", name)) + "Parameters"
    try:
        return create_model(title, __config__=ConfigDict(extra="forbid", frozen=True), __module__=where, **fields)
    except Exception as error:
        raise BadDeclaration(f"{where}: pydantic refuses the parameters: {error}") from error


def _default_of(parameter: inspect.Parameter, hint: Any, spot: str) -> Any:
    default = parameter.default
    if default is parameter.empty:
        return ...
    if isinstance(default, (list, dict, set, bytearray)):
        raise BadDeclaration(f"{spot} has a mutable default; use Field(default_factory=...) in its annotation")
    if not isinstance(default, FieldInfo):
        try:
            TypeAdapter(hint).validate_python(default)
        except ValidationError as error:
            fault = in_words(error.errors()[0])
            raise BadDeclaration(f"{spot} has a default that does not fit its type: {fault}, got {default!r}") from None
    return default


def _check_type(hint: Any, spot: str, inside: tuple[type, ...] = ()) -> None:
    origin = get_origin(hint)
    if origin is Annotated:
        inner, *extras = get_args(hint)
        _check_type(inner, spot, inside)
        if any(isinstance(each, FieldInfo) and isinstance(each.default, (list, dict, set)) for each in extras):
            raise BadDeclaration(f"{spot} has a mutable default; use default_factory")
    elif origin in (typing.Union, types.UnionType):
        arms = [arm for arm in get_args(hint) if arm is not types.NoneType]
        if len(arms) != 1:
            raise BadDeclaration(f"{spot}: expected one type or None, got {hint}; a union cannot be drawn as a field")
        _check_type(arms[0], spot, inside)
    elif origin is list and get_args(hint):
        _check_type(get_args(hint)[0], spot, inside)
    elif origin is Literal:
        return
    elif isinstance(hint, type) and issubclass(hint, BaseModel):
        if hint in inside:
            raise BadDeclaration(f"{spot}: expected a model that does not hold itself: its form would have no end")
        for field_name, info in hint.model_fields.items():
            _check_type(info.annotation, f"{spot}.{field_name}", (*inside, hint))
    elif not (isinstance(hint, type) and (hint in SCALARS or issubclass(hint, Enum))):
        raise BadDeclaration(
            f"{spot}: expected str, int, float, bool, Decimal, date, time, datetime, timedelta, UUID, Enum, Literal, "
            f"a pydantic model, Artifact, Secret, or a list or Optional of these, got {hint!r}"
        )
