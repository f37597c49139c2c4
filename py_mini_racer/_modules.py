"""ES modules of one context: which module a specifier means, what is loaded already, in which order V8 gets it. V8 links and evaluates; this file decides.

A graph is walked wave by wave, never by recursion, so that its size is no matter. Loaders are called by the thread that imports, and without the
context's lock, but for an import() in a script, whose turn it is then. Any thread may import at any time: what two of them load at once is kept once.
"""

from __future__ import annotations

from _thread import get_ident
from contextlib import suppress
from functools import partial
from json import dumps
from struct import Struct
from time import monotonic

from py_mini_racer import _wire
from py_mini_racer._context import make_options
from py_mini_racer._exc import (
    JSClosedException,
    JSEvalException,
    JSImportError,
    JSOOMException,
    JSPromiseError,
    JSTerminatedException,
    JSTimeoutException,
)
from py_mini_racer._host import next_number
from py_mini_racer._interrupt import inside
from py_mini_racer._loaders import (
    ModuleFolder,
    ModuleMap,
    ModuleSource,
    NotResolvedError,
    has_scheme,
    join,
    text_of,
)
from py_mini_racer._types import JSModule, JSObject, JSPromise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Callable, Generator, Iterable
    from typing import Any

    from py_mini_racer import _dll
    from py_mini_racer._context import Context

    Walk = Generator[list[Callable[[], Any]], list["_Outcome"], Any]

MOST_MODULES = 100_000  # of one context; beyond that a loader is taken to invent them without end
_TICK = 0.01  # seconds between attempts to stop a step
_LONGEST = 1e9  # seconds; more is no limit
_SHALLOW = 50  # imports that lead to imports: so many V8 may follow by itself, on its stack
_SHOWN = 200  # characters of a specifier in an error's text
EVALUATION, SOURCE, DEFER = range(3)  # phases of an import

_HANDLE = Struct("<cBQ")
_HEAD = Struct("<cI")
_INT = Struct("<ci")

# What modules need of JavaScript, kept before any script can change it.
_HELPERS = """(() => {
  const { parse } = JSON, { test } = RegExp.prototype, { apply } = Reflect;
  const encode = encodeURI, wasm = globalThis.WebAssembly, scheme = /^[a-z][a-z0-9+.-]*:/i;
  return [
    (text) => { const value = parse(text); return () => [value]; },
    (...values) => () => values,
    (values) => () => values,
    async (promise, value) => { await promise; return value; },
    (resolve) => (meta, name) => {
      meta.url = apply(test, scheme, [name]) ? name : "file:///" + encode(name);
      meta.resolve = (specifier) => resolve(`${specifier}`, name);
    },
    (bytes) => {
      const module = new wasm.Module(bytes), { exports, imports } = wasm.Module;
      const names = (list, key) => { const all = []; for (const each of list) all.push(each[key]); return all; };
      return [module, names(imports(module), "module"), names(exports(module), "name")];
    },
    (module) => [(imports) => {
      const { exports } = new wasm.Instance(module, imports), values = { __proto__: null };
      for (const { name } of wasm.Module.exports(module)) {
        const value = exports[name];
        values[name] = value instanceof wasm.Global ? value.value : value;
      }
      return values;
    }],
  ];
})()"""
_JSON, _CONSTANTS, _VALUES, _AFTER, _META, _WASM, _INSTANCE = range(7)


class _Request:
    """One import: who asks for what, and what that came to."""

    __slots__ = ("attributes", "importer", "line", "phase", "specifier", "target")

    def __init__(
        self, specifier: str, importer: str | None, line: int, phase: int, attributes: tuple[str, ...] = ()
    ) -> None:
        self.specifier, self.importer, self.line, self.phase = specifier, importer, line, phase
        self.attributes = attributes
        self.target: Any = None

    @property
    def type(self) -> str:
        """What the import says that the module is: `with { type: "json" }`."""
        keys, values = self.attributes[::2], self.attributes[1::2]
        unknown = [key for key in keys if key != "type"]
        if unknown:
            raise self.error(f"the import attribute {_short(unknown[0])} is not supported, only 'type' is")
        kind = values[0] if values else ""
        if kind not in ("", "json", "text", "bytes"):
            raise self.error(f"modules of type {_short(kind)} are not supported, only 'json', 'text' and 'bytes' are")
        return kind

    def error(self, why: str = "") -> JSImportError:
        """That it cannot be imported, with the place."""
        place = (
            "" if self.importer is None else f" imported by {self.importer}" + (f":{self.line}" if self.line else "")
        )
        if not why:
            return JSImportError(f"cannot find module {_short(self.specifier)}{place}")
        return JSImportError(f"cannot import {_short(self.specifier)}{place}: {why}")


class _Record:
    """A module that V8 has compiled."""

    __slots__ = ("done", "linked", "name", "requests", "token", "waiting")

    def __init__(self, name: str, token: Any, requests: list[_Request]) -> None:
        self.name = name
        self.token = token
        self.requests = requests
        self.linked = False  # and so is all that it imports
        self.waiting = False  # it has begun, and awaits something, or what it imports does
        self.done = False  # evaluated, and so is all that it imports

    def imports(self) -> list[_Record]:
        """The modules that are evaluated before it."""
        return [request.target for request in self.requests if request.phase != SOURCE]


class _Outcome:
    """What came of one question to a loader."""

    __slots__ = ("error", "value")

    def __init__(self, value: Any = None, error: Exception | None = None) -> None:
        self.value, self.error = value, error


def _values(requests: Iterable[_Request], outcomes: list[_Outcome]) -> list[Any]:
    """The answers; raises what a loader raised. After that there may be fewer outcomes than questions."""
    for request, outcome in zip(requests, outcomes, strict=False):
        error, outcome.error = outcome.error, None
        if isinstance(error, NotResolvedError):
            raise request.error(str(error)) from None
        if error is not None:
            try:
                raise error
            finally:
                del error, outcome
    return [outcome.value for outcome in outcomes]


def _attempt(question: Callable[[], Any]) -> _Outcome:
    try:
        return _Outcome(question())
    except Exception as error:  # noqa: BLE001 (it is raised where its import is known)
        return _Outcome(error=error)


class Limits:
    """What one import may take, of which each of its steps gets what is left."""

    def __init__(self, context: Context, timeout_sec: float | None = None, max_memory: int | None = None) -> None:
        make_options(timeout_sec=timeout_sec)  # to complain of what is none
        if timeout_sec is None:
            timeout_sec = context.timeout_sec
        self._end = None if timeout_sec is None or timeout_sec >= _LONGEST else monotonic() + timeout_sec
        self._max_memory = context.max_memory if max_memory is None else max_memory
        self.call = 0  # a number, for a step that can be cancelled

    def left(self) -> float | None:
        """Seconds.

        Raises:
            JSTimeoutException: there are none.
        """
        if self._end is None:
            return None
        seconds = self._end - monotonic()
        if seconds <= 0:
            raise JSTimeoutException
        return seconds

    def options(self, filename: str | None = None) -> _dll.Options:
        """The options of one step."""
        options = make_options(timeout_sec=self.left(), max_memory=self._max_memory, filename=filename)
        options.call = self.call
        return options


class _Function:
    """A function as a loader: it resolves and loads at once."""

    def __init__(self, function: Callable[[str, str | None], Any]) -> None:
        self.function = function


def loader_of(given: Any) -> Any:
    """The loader that `MiniRacer(modules=...)` means.

    Raises:
        TypeError: it is none.
        JSValueError: it is a folder that does not exist.
    """
    if given is None or (callable(getattr(given, "resolve", None)) and callable(getattr(given, "load", None))):
        return given
    if isinstance(given, str) or hasattr(given, "__fspath__"):
        return ModuleFolder(given)
    if hasattr(given, "keys") and hasattr(given, "__getitem__"):
        return ModuleMap(given)
    if callable(given) and not isinstance(given, type):
        return _Function(given)
    msg = (
        "modules must be a folder (str or Path), a mapping, a function (specifier, importer) -> source, or an object with resolve() and load(), "
        f"not {type(given).__name__}"
    )
    raise TypeError(msg)


class Modules:
    """The modules of a context."""

    def __init__(self, context: Context, loader: Any = None) -> None:
        self.context = context
        self.loader = loader  # from loader_of()
        self._records: dict[tuple[str, str], Any] = {}  # by name and type
        self._resolved: dict[tuple[str, str | None, str], Any] = {}  # by specifier, importer and type
        self._failures: dict[int, tuple[JSObject, Any, Any]] = {}  # what was thrown, by its id()
        self._loop: AbstractEventLoop | None = None  # where modules were last imported asynchronously
        self._tasks: set[Task[None]] = set()
        self._evaluated = 0  # modules without a name
        self._stopped = False  # CommonJS modules may have come half of their way
        self.helpers: list[Any] = list(context.eval(_HELPERS, None))
        commonjs = getattr(self.loader, "commonjs", None)
        self.commonjs = None if commonjs is None else commonjs(self)
        importer = context.as_function(self._on_import)
        meta = self.helpers[_META](self._on_resolve)
        data, _ = _wire.encode_array((importer, meta), context)
        context.run(context.library.mr_module_hooks, data, len(data), None)

    # --- what MiniRacer does ---

    def import_module(self, specifier: str, limits: Limits) -> Any:
        """See `MiniRacer.import_module`."""
        target = self._load(_entry(specifier), limits)
        try:
            return self._run(target, limits)
        except JSEvalException as error:
            self._recall(error)
            raise

    def eval_module(self, code: str, filename: str | None, limits: Limits) -> Any:
        """See `MiniRacer.eval_module`."""
        record = self._entry_of(code, filename, limits)
        self._drive(self._walk(record.requests, limits), limits)
        return self._run(record, limits)

    async def import_module_async(self, specifier: str, limits: Limits) -> Any:
        """See `MiniRacer.import_module_async`."""
        request = _entry(specifier)
        await self._drive_async(self._walk([request], limits), limits)
        try:
            return await self._run_async(request.target, limits)
        except JSEvalException as error:
            self._recall(error)
            raise

    async def eval_module_async(self, code: str, filename: str | None, limits: Limits) -> Any:
        """See `MiniRacer.eval_module_async`."""
        record = self._entry_of(code, filename, limits)
        await self._drive_async(self._walk(record.requests, limits), limits)
        return await self._run_async(record, limits)

    def _entry_of(self, code: str, filename: str | None, limits: Limits) -> _Record:
        if not isinstance(code, str):
            msg = "code is not a string"  # type: ignore[unreachable]
            raise JSEvalException(msg)
        if filename is None:
            self._evaluated += 1
            filename = f"<module {self._evaluated}>"
        return self._compile(filename, code, limits)

    # --- loading ---

    def _load(self, request: _Request, limits: Limits) -> Any:
        self._drive(self._walk([request], limits), limits)
        return request.target

    def load_now(self, specifier: str, importer: str | None, limits: Limits) -> Any:
        """A module with all that it imports, linked and evaluated, for `require`."""
        target = self._load(_Request(specifier, importer, 0, EVALUATION), limits)
        return self._run(target, limits)

    def _drive(self, walk: Walk, limits: Limits) -> None:
        """Goes through with a walk, on this thread."""
        questions = next(walk, None)
        while questions is not None:
            outcomes = []
            for question in questions:
                outcome = _attempt(question)
                if hasattr(outcome.value, "__await__"):
                    _drop(outcome.value)
                    outcome = _Outcome(error=JSImportError(_NEEDS_LOOP))
                outcomes.append(outcome)
                limits.left()
                if outcome.error is not None:
                    break
            questions = _send(walk, outcomes)

    async def _drive_async(self, walk: Walk, limits: Limits, outcomes: list[_Outcome] | None = None) -> None:
        """The same in the running event loop: the questions of one wave are asked at once, and V8's part is done on a thread."""
        from asyncio import get_running_loop

        self._loop = get_running_loop()
        questions: list[Callable[[], Any]] | None = [] if outcomes is not None else next(walk, None)
        while questions is not None:
            outcomes = outcomes or [_attempt(question) for question in questions]
            await _answers(outcomes)
            questions = await self._in_thread(partial(_send, walk, outcomes), limits)
            outcomes = None

    async def _in_thread(self, step: Callable[[], Any], limits: Limits) -> Any:
        """One step on a thread; it stops when the task is cancelled."""
        from asyncio import CancelledError, shield, wait

        from py_mini_racer._async import on_thread

        limits.call = next_number()
        running = on_thread(step)
        try:
            return await shield(running)
        except CancelledError:
            while not running.done():  # the step may not have come to its call yet
                self.context.cancel(limits.call)
                await wait([running], timeout=_TICK)
            running.exception()  # it was stopped: nobody is going to ask
            raise

    def _walk(self, wave: list[_Request], limits: Limits) -> Walk:
        """Finds all that these imports lead to. Yields questions to the loader and gets their outcomes, as many as there are until one has failed."""
        seen: set[int] = set()
        while wave:
            unknown = [request for request in wave if request.target is None and not self._knows(request)]
            if unknown:
                yield from self._find(unknown, limits)
            following: list[_Request] = []
            for request in wave:
                target = request.target
                if isinstance(target, _Record) and not target.linked and id(target) not in seen:
                    seen.add(id(target))
                    following.extend(target.requests)
            wave = following

    def _knows(self, request: _Request) -> bool:
        request.target = self._resolved.get((request.specifier, request.importer, _kind_of(request)))
        return request.target is not None

    def _find(self, requests: list[_Request], limits: Limits) -> Walk:
        loader = self.loader
        if loader is None:
            raise requests[0].error("this MiniRacer has no modules: open it with MiniRacer(modules=...)")
        for request in requests:
            _check(request)
        if isinstance(loader, _Function):
            yield from self._find_at_once(loader.function, requests, limits)
            return
        names = yield [partial(loader.resolve, request.specifier, request.importer) for request in requests]
        missing: dict[tuple[str, str], _Request] = {}
        keys: list[tuple[str, str]] = []
        for request, name in zip(requests, _values(requests, names), strict=True):
            if name is None:
                raise request.error()
            if not isinstance(name, str) or "\0" in name:
                msg = f"a loader's resolve() must return a str without NUL, or None, not {name if isinstance(name, str) else type(name).__name__!r}"
                raise TypeError(msg)
            keys.append((name, _kind_of(request)))
            if keys[-1] not in self._records:
                missing.setdefault(keys[-1], request)
        if missing:
            contents = yield [partial(loader.load, name) for name, _ in missing]
            for (key, request), content in zip(missing.items(), _values(missing.values(), contents), strict=True):
                self._keep(key, request, content, limits)
        for request, key in zip(requests, keys, strict=True):
            self._settle(request, self._records[key])

    def _find_at_once(
        self, function: Callable[[str, str | None], Any], requests: list[_Request], limits: Limits
    ) -> Walk:
        contents = yield [partial(function, request.specifier, request.importer) for request in requests]
        for request, content in zip(requests, _values(requests, contents), strict=True):
            name = getattr(content, "name", None) if isinstance(content, ModuleSource) else None
            if name is None:
                try:
                    name = join(request.specifier, request.importer)
                except NotResolvedError:
                    name = request.specifier  # a function may see things otherwise
            key = (name, _kind_of(request))
            if key not in self._records:
                self._keep(key, request, content, limits)
            self._settle(request, self._records[key])

    def _settle(self, request: _Request, target: Any) -> None:
        request.target = self._resolved.setdefault((request.specifier, request.importer, _kind_of(request)), target)

    def _keep(self, key: tuple[str, str], request: _Request, content: Any, limits: Limits) -> None:
        """Makes a module of what the loader has returned."""
        if content is None:
            raise request.error()
        if len(self._records) >= MOST_MODULES:
            raise request.error(f"the context has {MOST_MODULES} modules already")
        try:
            made = self._make(key, request, content, limits)
        except NotResolvedError as error:
            raise request.error(str(error)) from None
        self._records.setdefault(key, made)

    # --- making ---

    def _make(self, key: tuple[str, str], request: _Request, content: Any, limits: Limits) -> Any:
        name, wanted = key
        kind = None
        if isinstance(content, ModuleSource):
            content, kind = content.code, content.kind
        chosen = kind is not None
        if wanted in ("json", "text", "bytes"):
            kind = wanted
        kind = kind or _guess(content)
        if kind == "exports":
            names = [str(each) for each in content]
            return self.synthetic(name, names, self._helper(_CONSTANTS, limits, *content.values()), limits)
        if not isinstance(content, (str, bytes, bytearray, memoryview)):
            msg = f"a loader must return str, bytes, a mapping of exports, a ModuleSource or None, not {type(content).__name__}"
            raise TypeError(msg)
        if wanted == "source" and kind != "wasm":
            msg = "only WebAssembly modules have a source"
            raise NotResolvedError(msg)
        if kind == "bytes":
            value = content.encode() if isinstance(content, str) else bytes(content)
            return self._of_default(name, value, limits)
        if kind == "wasm":
            return self._wasm(name, content, source=wanted == "source", limits=limits)
        text = content if isinstance(content, str) else text_of(bytes(content))
        if kind == "json":
            return self._json(name, text, request, limits)
        if kind == "text":
            return self._of_default(name, text, limits)
        if kind == "commonjs":
            if self.commonjs is None:
                msg = "it is CommonJS, which NodeModules loads"
                raise NotResolvedError(msg)
            return self.commonjs.as_module(name, text, limits)
        if name.endswith(".json") and not chosen:
            msg = "JSON is imported with { type: 'json' }"
            raise NotResolvedError(msg)
        return self._compile(name, text, limits)

    def _of_default(self, name: str, value: Any, limits: Limits) -> _Record:
        return self.synthetic(name, ["default"], self._helper(_CONSTANTS, limits, value), limits)

    def _json(self, name: str, text: str, request: _Request, limits: Limits) -> _Record:
        try:
            evaluator = self._helper(_JSON, limits, text)
        except JSEvalException as error:
            if error.name != "SyntaxError":
                raise
            raise request.error(f"it is not JSON: {error.js_message}") from None
        return self.synthetic(name, ["default"], evaluator, limits)

    def _wasm(self, name: str, content: Any, *, source: bool, limits: Limits) -> Any:
        """A module of the text that a WebAssembly module stands for: it imports the compiled one, and what that imports."""
        data = content.encode() if isinstance(content, str) else bytes(content)
        module, imports, exports = self._helper(_WASM, limits, data)
        if source:
            return module
        given = self.synthetic(
            name, ["default"], self._helper(_VALUES, limits, self._helper(_INSTANCE, limits, module)), limits
        )
        specifiers = list(dict.fromkeys(imports))
        lines = [f"import make from {dumps(name)};"]
        lines += [f"import * as i{i} from {dumps(each)};" for i, each in enumerate(specifiers)]
        table = ", ".join(f"{dumps(each)}: i{i}" for i, each in enumerate(specifiers))
        lines.append(f"const values = make({{ __proto__: null, {table} }});")
        lines += [
            f"const e{i} = values[{dumps(each)}]; export {{ e{i} as {dumps(each)} }};" for i, each in enumerate(exports)
        ]
        record = self._compile(name, "\n".join(lines), limits)
        record.requests[0].target = given
        for request in record.requests[1:]:
            request.line = 0
        return record

    def _helper(self, number: int, limits: Limits, *arguments: Any) -> Any:
        return self.helpers[number](*arguments, timeout_sec=limits.left())

    def _compile(self, name: str, code: str, limits: Limits) -> _Record:
        context = self.context
        options = limits.options(filename=name)
        try:
            data = code.encode()
        except UnicodeEncodeError:
            from py_mini_racer import _dll

            data = code.encode("utf-16-le", "surrogatepass")
            options.encoding = _dll.UTF16
        token, *requests = context.run(context.library.mr_module_compile, data, len(data), options)
        return _Record(
            name,
            token,
            [
                _Request(specifier, name, line, phase, tuple(attributes))
                for specifier, line, _column, phase, *attributes in requests
            ],
        )

    def synthetic(self, name: str, names: Iterable[str], evaluator: Any, limits: Limits) -> _Record:
        """A module whose exports `evaluator`, a JavaScript function, returns as an array."""
        context = self.context
        data, _ = _wire.encode_array((name, evaluator, *dict.fromkeys(names)), context)
        token = context.run(context.library.mr_module_synthetic, data, len(data), limits.options())
        return _Record(name, token, [])

    # --- linking and evaluating ---

    def _run(self, target: Any, limits: Limits) -> Any:
        """Links and evaluates a module, waits for its end, and returns its namespace."""
        if not isinstance(target, _Record):
            return target
        pending = self._start(target, limits)
        if pending is not None:
            try:
                pending.get(timeout=limits.left())
            except JSPromiseError as error:
                raise _as_thrown(error) from error.__cause__
            except JSTerminatedException:
                self._forget()
                raise
            except RuntimeError as error:  # a JSDeadlockError, too
                raise type(error)(_PENDING) from None
            self._finished(target)
        return self._namespace(target, limits)

    async def _run_async(self, target: Any, limits: Limits) -> Any:
        if not isinstance(target, _Record):
            return target
        pending = await self._in_thread(partial(self._start, target, limits), limits)
        if pending is not None:
            try:
                await pending
            except JSPromiseError as error:
                raise _as_thrown(error) from error.__cause__
            except JSTerminatedException:
                self._forget()
                raise
            self._finished(target)
        return self._namespace(target, limits)

    def _start(self, record: _Record, limits: Limits) -> JSPromise | None:
        """Links and evaluates. A promise when that goes on."""
        self._link(record, limits)
        if record.done:
            return None
        if self._stopped and self.commonjs is not None and get_ident() not in inside:
            self.commonjs.forget()
            self._stopped = False
        context = self.context
        depth, order = _plan(record)
        data = b"".join([_HEAD.pack(b"a", len(order) + 1), _INT.pack(b"i", depth), *map(_packed, order)])
        try:
            outcome = context.run(context.library.mr_module_evaluate, data, len(data), limits.options())
        except JSClosedException:
            raise
        except (JSTimeoutException, JSOOMException, JSTerminatedException):
            self._forget()
            raise
        if isinstance(outcome, JSPromise):
            for each in _bottom_up(record, done=True):
                each.waiting = True
            return outcome
        self._finished(record)
        return None

    def _link(self, record: _Record, limits: Limits) -> None:
        if record.linked:
            return
        order = _bottom_up(record)
        parts = [_HEAD.pack(b"a", len(order))]
        for each in order:
            parts.append(_HEAD.pack(b"a", len(each.requests) + 1))
            parts.append(_packed(each))
            parts.extend(map(_packed, (request.target for request in each.requests)))
        data = b"".join(parts)
        context = self.context
        context.run(context.library.mr_module_link, data, len(data), limits.options())
        for each in order:
            each.linked = True

    def _namespace(self, record: _Record, limits: Limits) -> JSModule:
        context = self.context
        found: JSModule = context.run(context.library.mr_module_namespace, record.token._wire_handle, limits.options())
        return found

    def _finished(self, record: _Record) -> None:
        for each in _bottom_up(record, done=True):
            each.done = True

    def _recall(self, error: JSEvalException) -> None:
        """What a module has thrown says only once where that was; from then on we do."""
        if isinstance(error.value, JSObject):
            _, text, fields = self._failures.setdefault(id(error.value), (error.value, error.args, _fields_of(error)))
            error.args = text
            for field, value in zip(_FIELDS, fields, strict=True):
                setattr(error, field, value)

    def _forget(self) -> None:
        """An evaluation was stopped, which V8 cannot take up again: what has not come to its end is loaded anew when it is next imported."""
        self._stopped = True
        self._records = {key: each for key, each in self._records.copy().items() if _is_good(each)}
        self._resolved = {key: each for key, each in self._resolved.copy().items() if _is_good(each)}

    # --- what scripts ask for ---

    def _on_import(self, specifier: str, importer: Any, line: int, phase: int, *attributes: str) -> Any:
        """import(): on the thread that runs JavaScript."""
        origin = importer if isinstance(importer, str) else None
        request = _Request(specifier, origin or "<anonymous>", line, phase, attributes)
        limits = Limits(self.context)
        walk = self._walk([request], limits)
        questions = next(walk, None)
        while questions is not None:
            outcomes = [_attempt(question) for question in questions]
            if any(hasattr(outcome.value, "__await__") for outcome in outcomes):
                return self._import_later(walk, outcomes, request, limits)
            questions = _send(walk, outcomes)
        target = request.target
        if not isinstance(target, _Record):
            return target
        pending = self._start(target, limits)
        namespace = self._namespace(target, limits)
        return namespace if pending is None else self.helpers[_AFTER](pending, namespace)

    def _import_later(self, walk: Walk, outcomes: list[_Outcome], request: _Request, limits: Limits) -> Any:
        """An import() whose loader is asynchronous: a promise, settled from the event loop."""
        loop = _running_loop() or self._loop
        if loop is None or loop.is_closed():
            for outcome in outcomes:
                _drop(outcome.value)
            raise request.error(_NO_LOOP)
        promise = self.context.new_promise()

        from py_mini_racer._async import settled

        async def work() -> None:
            try:
                await self._drive_async(walk, limits, outcomes)
                value = await self._run_async(request.target, limits)
                await settled(self.context, promise, lambda: self.context.settlement(fulfilled=True, value=value))
            except JSClosedException:
                return
            except Exception as error:  # noqa: BLE001 (it is what the import() rejects with)
                reason = error
                with suppress(JSClosedException):
                    await settled(self.context, promise, lambda: self.context.rejection(reason))

        def begin() -> None:
            task = loop.create_task(work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        loop.call_soon_threadsafe(begin)
        return promise

    def _on_resolve(self, specifier: str, name: str) -> str:
        """import.meta.resolve(): a URL."""
        request = _Request(specifier, name, 0, EVALUATION)
        resolve = getattr(self.loader, "resolve", None)
        _check(request)
        try:
            found = join(specifier, name) if resolve is None else resolve(specifier, name)
        except NotResolvedError as error:
            raise request.error(str(error)) from None
        if hasattr(found, "__await__"):
            _drop(found)
            raise request.error("import.meta.resolve cannot wait for an asynchronous loader")
        if found is None:
            raise request.error()
        return url_of(found)


def url_of(name: str) -> str:
    """The URL of a module, as import.meta.url has it."""
    if has_scheme(name):
        return name
    from urllib.parse import quote

    return "file:///" + quote(name, safe="/!$&'()*+,;=:@-._~?#")


_NEEDS_LOOP = "the loader is asynchronous: write `await ctx.import_module_async(...)`"
_NO_LOOP = "the loader is asynchronous, and no event loop has imported anything yet: begin with `await ctx.import_module_async(...)`"
_PENDING = (
    "the module waits in a top-level await, and waiting for it would block the event loop, or the script, that runs here: "
    "write `await ctx.import_module_async(...)`"
)


def _entry(specifier: object) -> _Request:
    if not isinstance(specifier, str):
        msg = f"a specifier must be a str, not {type(specifier).__name__}"
        raise TypeError(msg)
    return _Request(specifier, None, 0, EVALUATION)


def _check(request: _Request) -> None:
    """Refuses what no loader should be asked."""
    specifier = request.specifier
    if not specifier:
        raise request.error("it is empty")
    if "\0" in specifier:
        raise request.error("it has a NUL in it")
    try:
        specifier.encode()
    except UnicodeEncodeError:
        raise request.error("it has a lone surrogate in it") from None
    if request.phase == DEFER:
        raise request.error("import defer is not supported")


def _kind_of(request: _Request) -> str:
    return "source" if request.phase == SOURCE else request.type


def _guess(content: Any) -> str:
    if isinstance(content, (bytes, bytearray, memoryview)):
        return "wasm" if bytes(content[:4]) == b"\0asm" else "module"
    return "exports" if hasattr(content, "keys") and hasattr(content, "values") else "module"


def _short(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else repr(text[:_SHOWN]) + "..."


def _is_good(target: Any) -> bool:
    return not isinstance(target, _Record) or target.done or target.waiting


def _packed(target: Any) -> bytes:
    """The message of a module, or of a source object."""
    held = target.token if isinstance(target, _Record) else target
    return _HANDLE.pack(b"H", 0, held._wire_handle)


def _send(walk: Walk, outcomes: list[_Outcome]) -> list[Callable[[], Any]] | None:
    try:
        return walk.send(outcomes)
    except StopIteration:
        return None


async def _answers(outcomes: list[_Outcome]) -> None:
    """Waits for those that are awaitable."""
    from asyncio import FIRST_EXCEPTION, ensure_future, wait

    waiting = {ensure_future(outcome.value): outcome for outcome in outcomes if hasattr(outcome.value, "__await__")}
    if not waiting:
        return
    try:
        await wait(waiting, return_when=FIRST_EXCEPTION)
    finally:
        for future in waiting:
            future.cancel()
    for future, outcome in waiting.items():
        outcome.value = None  # of one that was cancelled because another has failed, nobody asks
        if not future.done() or future.cancelled():
            continue
        error = future.exception()
        if isinstance(error, Exception):
            outcome.error = error
        else:
            outcome.value = future.result()


def _drop(awaitable: Any) -> None:
    """A coroutine that nobody is going to await."""
    close = getattr(awaitable, "close", None)
    if close is not None:
        close()


def _running_loop() -> AbstractEventLoop | None:
    from sys import modules

    asyncio = modules.get("asyncio")
    loop: AbstractEventLoop | None = None if asyncio is None else asyncio._get_running_loop()
    return loop


_FIELDS = ("name", "js_message", "filename", "line", "column", "frames", "value", "has_value")


def _fields_of(error: JSEvalException) -> list[Any]:
    return [getattr(error, field) for field in _FIELDS]


def _as_thrown(error: JSPromiseError) -> JSEvalException:
    """What a module threw after an await, as if it had thrown at once."""
    thrown = JSEvalException(str(error.reason))
    for field in _FIELDS:
        setattr(thrown, field, getattr(error, field))
    if thrown.filename is None and thrown.frames:
        _, thrown.filename, thrown.line, thrown.column = thrown.frames[0]
    return thrown


def _bottom_up(root: _Record, *, done: bool = False) -> list[_Record]:
    """What is not linked (or not evaluated) yet, each module after those that it imports, as far as circles allow."""
    order: list[_Record] = []
    seen = {id(root)}
    path = [(root, iter(root.imports()))]
    while path:
        record, following = path[-1]
        for each in following:
            if id(each) not in seen and not (each.done if done else each.linked):
                seen.add(id(each))
                path.append((each, iter(each.imports())))
                break
        else:
            order.append(record)
            path.pop()
    return order


def _plan(root: _Record) -> tuple[int, list[_Record]]:
    """In which order V8 is to evaluate, and how deep it then goes at most.

    V8 goes from the root by itself, in the order of the standard, but on the stack. What is too deep for that it gets from below: circle by circle, and
    a module that is in none by itself. The order is the same, but for modules that a circle imports from outside, which then come before all of it.
    """
    index, low = {id(root): 0}, {id(root): 0}
    open_records = [root]
    is_open = {id(root)}
    order: list[_Record] = []
    path = [(root, iter(root.imports()))]
    deepest = longest_circle = 0
    reach = {id(root): 0}  # the length of the path at which a module was found
    while path:
        record, following = path[-1]
        for each in following:
            if each.done:
                continue
            if id(each) not in index:
                index[id(each)] = low[id(each)] = len(index)
                open_records.append(each)
                is_open.add(id(each))
                reach[id(each)] = len(path)
                deepest = max(deepest, len(path))
                path.append((each, iter(each.imports())))
                break
            if id(each) in is_open:
                low[id(record)] = min(low[id(record)], index[id(each)])
        else:
            path.pop()
            if path:
                low[id(path[-1][0])] = min(low[id(path[-1][0])], low[id(record)])
            if low[id(record)] == index[id(record)]:
                order.append(record)
                member = None
                while member is not record:
                    member = open_records.pop()
                    is_open.discard(id(member))
                    longest_circle = max(longest_circle, reach[id(member)] - reach[id(record)])
    return (deepest, [root]) if deepest <= _SHALLOW else (longest_circle, order)


__all__ = ["Limits", "Modules", "loader_of", "url_of"]
