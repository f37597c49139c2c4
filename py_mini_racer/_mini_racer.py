"""MiniRacer: what users open, evaluate in, and close."""

from __future__ import annotations

from py_mini_racer import _dll
from py_mini_racer._buffers import new_buffer
from py_mini_racer._context import Context, make_options, nanoseconds
from py_mini_racer._convert import copy_flags
from py_mini_racer._exc import JSClosedException, JSEvalException, JSValueError, WrongReturnTypeException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractAsyncContextManager
    from os import PathLike
    from types import TracebackType
    from typing import Any, TypeVar

    from typing_extensions import Self

    from py_mini_racer._aliases import PyJsFunctionType
    from py_mini_racer._console import ConsoleMessage
    from py_mini_racer._exc import JSPromiseError
    from py_mini_racer._modules import Limits, Modules
    from py_mini_racer._realm import JSRealm
    from py_mini_racer._snapshot import Snapshot
    from py_mini_racer._stats import Stats
    from py_mini_racer._types import JSFunction, JSMappedObject, JSModule, JSScript, PyProxy

    F = TypeVar("F", bound=Callable[..., Any])
    M = TypeVar("M", bound="MiniRacer")


def _limits(context: Context, timeout_sec: float | None, max_memory: int | None) -> Limits:
    from py_mini_racer._modules import Limits

    return Limits(context, timeout_sec, max_memory)


class _JsonModule:
    """`json`, imported when it is first asked for."""

    def __get__(self, instance: object, owner: type[MiniRacer]) -> Any:
        import json

        return json


def _snapshot_number(snapshot: object) -> int:
    from py_mini_racer._snapshot import number_of

    return number_of(snapshot)


def _handler(name: str, handler: Any) -> Any:
    if handler is not None and not callable(handler):
        msg = f"{name} must be a function of one argument, not {type(handler).__name__}"
        raise TypeError(msg)
    return handler


class MiniRacer:
    """A JavaScript context: a heap of its own, with a set of globals that stays from one evaluation to the next.

    Use it from any thread; calls from several threads run one after the other. Close it, or use it as a context manager, to free its memory at once; else that
    happens when it is garbage-collected, whatever handles there are. A script runs on the thread that asks for it, and Python's other threads run on meanwhile.

        >>> from py_mini_racer import MiniRacer
        >>> with MiniRacer() as ctx:
        ...     ctx.eval("6 * 7")
        42

    Args:
        context: a context to share with another MiniRacer, which then is the one to close it, and whose limits hold.
        timeout_sec: seconds that each call may take, timers' callbacks and microtasks included. A call's own `timeout_sec` goes before it, `math.inf` lifts it.
            None: no limit.
        cpu_time_sec: likewise, seconds of CPU that a call may use.
        max_memory: bytes of JavaScript heap, from 1 MB to 4 GB. A call's own `max_memory` can be lower. None: what suits this machine; see the page on limits.
        max_stack: bytes of a thread's stack that JavaScript may use, from 64 KB; more than the thread has is as much as it has. None: 984 KB.
        max_buffer_memory: bytes of ArrayBuffers, those from `buffer` and those that only Python's views still use included, and with V8 from source
            of WebAssembly's memories; beyond it JavaScript gets a RangeError. None: 2 GiB.
        snapshot: what the context and its realms begin as: what a `Snapshot` has set up, in place of V8's plain globals.
        modules: where `import` finds modules: a folder (str or Path), a mapping of names to sources, a function `(specifier, importer) -> source`, or a ready
            loader such as `ModuleFolder`, `ModuleMap`, `NodeModules`.
        code_cache: a folder, made when it is not there, in which scripts of 64 KB and more that are evaluated stay compiled for the next process.
        unhandled_rejection: called with the `JSPromiseError` of each promise that was rejected and that nothing handles; by default it goes to the logger
            `py_mini_racer`. On any thread, while JavaScript waits.
        uncaught_exception: likewise for what a timer's callback or a microtask throws.
        event_loop: where Python coroutines run that JavaScript calls, when no event loop was running as their function was passed to it.
        console: called with a `ConsoleMessage` for each message of `console.log` and its kin, on the thread that runs the script. None: they go to the logger
            `py_mini_racer.console`. False: nowhere, and they cost nothing.

    Attributes:
        json_impl: the JSON module that `execute` and `call` use; `json` by default. Set it on a subclass or an instance.

    Raises:
        JSValueError: a limit is out of its bounds.
        JSOOMException: there is no room for another context: `max_total_memory` of `init_mini_racer`, or the machine's memory.
        LibNotFoundError: the native library, or a file that it needs, is missing.
        LibIncompatibleError: one of these is of another build.
    """

    json_impl: Any = _JsonModule()

    def __init__(
        self,
        context: Context | None = None,
        *,
        timeout_sec: float | None = None,
        cpu_time_sec: float | None = None,
        max_memory: int | None = None,
        max_stack: int | None = None,
        max_buffer_memory: int | None = None,
        snapshot: Snapshot | None = None,
        modules: Any = None,
        code_cache: str | PathLike[str] | None = None,
        unhandled_rejection: Callable[[JSPromiseError], object] | None = None,
        uncaught_exception: Callable[[JSEvalException], object] | None = None,
        event_loop: AbstractEventLoop | None = None,
        console: Callable[[ConsoleMessage], object] | bool | None = None,
    ) -> None:
        self._ctx: Context | None = None
        self._owner = context is None
        if context is None:
            context = Context(
                timeout_sec=timeout_sec,
                cpu_time_sec=cpu_time_sec,
                max_memory=max_memory,
                max_stack=max_stack,
                max_buffer_memory=max_buffer_memory,
                console=console,
                snapshot=0 if snapshot is None else _snapshot_number(snapshot),
            )
        elif not hasattr(context, "host"):
            msg = f"context must be another MiniRacer's context, not {type(context).__name__}: options of a new one have names"
            raise TypeError(msg)
        elif console is not None:
            msg = "the console belongs to the MiniRacer that opens the context, not to one that shares it"
            raise JSValueError(msg)
        elif (timeout_sec, cpu_time_sec, max_memory, max_stack, max_buffer_memory, snapshot) != (None,) * 6:
            msg = "limits and snapshots belong to the MiniRacer that opens the context, not to one that shares it"
            raise JSValueError(msg)
        self._ctx = context
        if modules is not None:
            from py_mini_racer._modules import Modules, loader_of

            loader = loader_of(modules)
            self._ctx.modules = Modules(self._ctx, loader)
        if code_cache is not None:
            from py_mini_racer._scripts import CodeCache

            self._ctx.code_cache = CodeCache(code_cache)
        self._ctx.on_unhandled = _handler("unhandled_rejection", unhandled_rejection) or self._ctx.on_unhandled
        self._ctx.on_uncaught = _handler("uncaught_exception", uncaught_exception) or self._ctx.on_uncaught
        self._ctx.event_loop = event_loop or self._ctx.event_loop

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            self.close()
        except Exception:  # noqa: BLE001 (the interpreter may be half gone)
            return

    def close(self) -> None:
        """Frees the context. What runs in it, on any thread, ends with `JSClosedException`. May be called more than once, and from anywhere."""
        context, self._ctx = self._ctx, None
        if context is not None and self._owner:
            context.close()

    def interrupt(self) -> None:
        """Stops what runs in the context now, if anything does: that call raises `JSTerminatedException`, whatever the script does to catch it.

        Calls that it was made from, in callbacks of this context, end as well; calls that wait for their turn do not. The context can be used again. Any
        thread, and a signal's handler; it never waits.

            >>> from threading import Timer
            >>> from py_mini_racer import JSTerminatedException, MiniRacer
            >>> ctx = MiniRacer()
            >>> Timer(0.1, ctx.interrupt).start()
            >>> try:
            ...     ctx.eval("for (;;) {}")
            ... except JSTerminatedException as stopped:
            ...     print(stopped)
            JavaScript was terminated
        """
        context = self._ctx
        if context is not None:
            context.terminate()

    @property
    def v8_version(self) -> str:
        """V8's version, such as `"15.0.245.13"`."""
        return _dll.v8_version()

    def eval(
        self,
        code: str,
        timeout: float | None = None,
        timeout_sec: float | None = None,
        max_memory: int | None = None,
        *,
        filename: str | None = None,
        line_offset: int = 0,
        column_offset: int = 0,
        copy: bool = False,
        max_depth: int | None = None,
        max_bytes: int | None = None,
        maps: str = "dict",
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
    ) -> Any:
        """Evaluates a script and returns the value of its last statement.

        `null` comes as None, `undefined` as `JSUndefined`, booleans and strings as they are, a number that is a 32-bit integer as int and any other as float, a
        BigInt as int, a Date as an aware datetime in UTC (as a `JSDate` where Python has no such date), an ArrayBuffer or a typed array as a memoryview of the
        same memory; functions, objects and the rest as handles.

            >>> from py_mini_racer import MiniRacer
            >>> ctx = MiniRacer()
            >>> ctx.eval("({ sum: [1, 2, 3].reduce((a, b) => a + b) })", copy=True, timeout_sec=1)
            {'sum': 6}

        Args:
            code: JavaScript, as a classic script: no `import`, no `await` outside of async functions.
            timeout: milliseconds, for code of old; 0 is no limit. It goes before `timeout_sec`.
            timeout_sec: seconds after which the evaluation is stopped, waiting for other threads' calls included. None: the context's; `math.inf`: never.
            max_memory: bytes of JavaScript heap after which it is stopped. None: what `set_hard_memory_limit` said, else the context's.
            filename: what stack traces call the script; `<anonymous>` by default.
            line_offset: what to add to its line numbers.
            column_offset: what to add to the columns of its first line.
            copy: objects and arrays, Maps and Sets come whole, as plain Python values, not as handles.
            max_depth: with `copy`: how deep they may be nested; 400 by default.
            max_bytes: with `copy`: how large the answer may be, with 8 bytes for each value; 1 GiB by default.
            maps: with `copy`: "dict" for dicts and sets, "pairs" for lists, which can hold any keys.
            cpu_time_sec: seconds of CPU that this thread may use for it, Python callbacks included; sleeping and waiting are free. None: the context's.
            max_stack: bytes of this thread's stack that JavaScript may use, from 64 KB; more than the context's is the context's. None: the context's.

        Raises:
            JSParseException: the code is not valid JavaScript.
            JSEvalException: it threw, or `code` is not a string.
            JSTimeoutException: it took too long; JSCPUTimeException: too much of the CPU. The context can be used again.
            JSOOMException: it took too much memory. The context can be used again.
            JSClosedException: this MiniRacer is closed, or was closed meanwhile.
            JSConversionException: with `copy`: it is too deep or too large, or holds what Python cannot. The text names the place.
        """
        context = self._ctx
        if context is None:
            raise JSClosedException
        if timeout:
            timeout_sec = timeout / 1000
        if (
            cpu_time_sec is None
            and max_memory is None
            and max_stack is None
            and filename is None
            and not line_offset
            and not column_offset
            and not copy
        ):
            return context.eval_plain(code, 0 if timeout_sec is None else nanoseconds(timeout_sec))
        options = make_options(
            timeout_sec=timeout_sec,
            cpu_time_sec=cpu_time_sec,
            max_stack=max_stack,
            max_memory=context.max_memory if max_memory is None else max_memory,
            filename=filename,
            line_offset=line_offset,
            column_offset=column_offset,
            flags=copy_flags(maps, context.converters) if copy else 0,
            max_depth=max_depth,
            max_bytes=max_bytes,
        )
        return context.eval(code, options)

    async def eval_async(
        self,
        code: str,
        *,
        timeout_sec: float | None = None,
        max_memory: int | None = None,
        filename: str | None = None,
        line_offset: int = 0,
        column_offset: int = 0,
        copy: bool = False,
        max_depth: int | None = None,
        max_bytes: int | None = None,
        maps: str = "dict",
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
    ) -> Any:
        """Evaluates a script on a thread of the library's, while the event loop goes on. If its value is a promise, that is awaited.

            prices = await ctx.eval_async("loadPrices()", timeout_sec=2, copy=True)

        Evaluations and calls that are awaited run one after the other in a context, in the order in which they were begun; in several contexts they run
        side by side. One that waits for its turn costs no thread.

        A cancelled task stops its script, and nobody else's, and goes on when that has stopped: at once, unless it is within a Python function. Cancelled
        once more, it does not wait for that. While it awaits the promise, that is left alone.

        It takes and raises what `eval` does; `timeout_sec` includes waiting for its turn and for the promise, which is left alone when the time is up. And:

        Raises:
            JSPromiseError: the promise was rejected.
            RuntimeError: no event loop runs in this thread.
        """
        from py_mini_racer._async import flattened

        context = self._open()

        def make() -> _dll.Options:
            return make_options(
                timeout_sec=timeout_sec,
                cpu_time_sec=cpu_time_sec,
                max_stack=max_stack,
                max_memory=context.max_memory if max_memory is None else max_memory,
                filename=filename,
                line_offset=line_offset,
                column_offset=column_offset,
                flags=copy_flags(maps, context.converters) if copy else 0,
                max_depth=max_depth,
                max_bytes=max_bytes,
            )

        return await flattened(context, make, lambda options: context.submit_eval(code, options), timeout_sec)

    def import_module(
        self, specifier: str, *, timeout_sec: float | None = None, max_memory: int | None = None
    ) -> JSModule:
        """Imports a module, with all that it imports, and returns its namespace. Awaits at its top level are waited for. Any thread.

            >>> from py_mini_racer import MiniRacer
            >>> ctx = MiniRacer(modules={"main.js": "import { tax } from './tax.js'; export const gross = 100 * tax;", "tax.js": "export const tax = 1.25;"})
            >>> ctx.import_module("main.js").gross
            125

        A module is evaluated once: importing it again returns the same namespace, or raises the same error.

        Args:
            specifier: which module, as seen from the loader's root.
            timeout_sec: seconds for all of it, loading included. What was stopped is loaded anew when it is next imported.
            max_memory: bytes of JavaScript heap, as in `eval`.

        Raises:
            JSImportError: a module cannot be found or loaded.
            JSParseException: one is not valid JavaScript.
            JSEvalException: one threw, or imports what another does not export (a SyntaxError).
            JSTimeoutException, JSOOMException, JSClosedException: as in `eval`.
            RuntimeError: it awaits, in a thread that runs an event loop, or in a callback: write `await ctx.import_module_async(...)`.

        What a loader raises comes out as it is.
        """
        found: JSModule = self._modules().import_module(specifier, _limits(self._open(), timeout_sec, max_memory))
        return found

    async def import_module_async(self, specifier: str, *, max_memory: int | None = None) -> JSModule:
        """Imports a module in the running event loop, for loaders that are `async`, and modules that await. Cancelled, it stops.

            module = await asyncio.wait_for(ctx.import_module_async("main.js"), timeout=5)

        Takes and raises what `import_module` does, but for timeout and RuntimeError. V8 works on a thread of its own meanwhile.
        """
        found: JSModule = await self._modules().import_module_async(specifier, _limits(self._open(), None, max_memory))
        return found

    def eval_module(
        self,
        code: str,
        *,
        filename: str | None = None,
        timeout_sec: float | None = None,
        max_memory: int | None = None,
    ) -> JSModule:
        """Evaluates source text as a module and returns its namespace. Each call makes a new one, which nothing can import.

            >>> from py_mini_racer import MiniRacer
            >>> ctx = MiniRacer()
            >>> ctx.eval_module("export const answer = await Promise.resolve(42);").answer
            42

        Args:
            code: JavaScript with `import` and `export`.
            filename: what stack traces call it, and what its relative imports are relative to, such as `"lib/main.js"`.
            timeout_sec: as in `import_module`.
            max_memory: as in `import_module`.

        Raises what `import_module` does.
        """
        found: JSModule = self._modules().eval_module(code, filename, _limits(self._open(), timeout_sec, max_memory))
        return found

    async def eval_module_async(
        self, code: str, *, filename: str | None = None, max_memory: int | None = None
    ) -> JSModule:
        """The same in the running event loop, as `import_module_async` does it."""
        limits = _limits(self._open(), None, max_memory)
        found: JSModule = await self._modules().eval_module_async(code, filename, limits)
        return found

    def _modules(self) -> Modules:
        context = self._open()
        if context.modules is None:
            from py_mini_racer._modules import Modules

            context.modules = Modules(context)
        return context.modules

    def compile(
        self,
        code: str,
        *,
        filename: str | None = None,
        line_offset: int = 0,
        column_offset: int = 0,
        cache: bytes | None = None,
        timeout_sec: float | None = None,
        max_memory: int | None = None,
    ) -> JSScript:
        """Compiles a script without running it.

            >>> from py_mini_racer import MiniRacer
            >>> ctx, other = MiniRacer(), MiniRacer()
            >>> script = ctx.compile("6 * 7")
            >>> script.run()
            42
            >>> other.compile("6 * 7", cache=script.cache).run()
            42

        Scripts of 64 KB and more that `eval` evaluates are kept compiled for the rest of the process anyway, and on disk with `MiniRacer(code_cache=)`.

        Args:
            code: JavaScript, as for `eval`.
            filename: as in `eval`.
            line_offset: as in `eval`.
            column_offset: as in `eval`.
            timeout_sec: as in `eval`.
            max_memory: as in `eval`.
            cache: what `JSScript.cache` gave for the same code. One that cannot be used is passed over: see `JSScript.cache_rejected`.

        Raises:
            JSParseException: the code is not valid JavaScript.
        """
        from py_mini_racer._scripts import compile_script

        context = self._open()
        options = make_options(
            timeout_sec=timeout_sec,
            max_memory=context.max_memory if max_memory is None else max_memory,
            filename=filename,
            line_offset=line_offset,
            column_offset=column_offset,
        )
        return compile_script(context, code, options, cache)

    def new_realm(self) -> JSRealm:
        """Makes a realm: a second set of globals on the same heap, used as a MiniRacer is.

            >>> from py_mini_racer import MiniRacer
            >>> ctx = MiniRacer()
            >>> tenant = ctx.new_realm()
            >>> tenant.eval("var name = 'tenant'; name.length")
            6
            >>> ctx.eval("typeof name")
            'undefined'

        Raises JSClosedException after `close()`.
        """
        from py_mini_racer._realm import JSRealm

        return JSRealm(self._open())

    @property
    def globals(self) -> JSMappedObject:
        """The global object, `globalThis`: what scripts declare with `var` and `function` are items of it; `let`, `const` and `class` are not.

            >>> from py_mini_racer import MiniRacer
            >>> ctx = MiniRacer()
            >>> ctx.globals["rate"] = lambda currency: {"EUR": 1, "CHF": 0.5}[currency]
            >>> ctx.eval("rate('CHF') * 10")
            5

        Raises JSClosedException after `close()`.
        """
        context = self._open()
        found: JSMappedObject = context.run(context.library.mr_globals, None)
        return found

    def buffer(self, kind: Any, shape: int | Sequence[int] | None = None) -> memoryview:
        """Makes memory that Python and JavaScript share: a writable memoryview, which JavaScript gets without a copy.

            >>> from py_mini_racer import MiniRacer
            >>> ctx = MiniRacer()
            >>> table = ctx.buffer("f", (2, 3))
            >>> ctx.eval("a => { a[0] = 1.5 }")(table)
            JSUndefined
            >>> table[0, 0]
            1.5

        Args:
            kind: a number of bytes, for an ArrayBuffer; else the format of the elements ("f", "i", "d", ...; numpy's dtypes and their names are taken, too), or
                a tuple of this and `shape`.
            shape: how many elements, or how many in each dimension. In JavaScript it is one typed array of all of them.

        Raises:
            JSValueError: a size is negative or beyond what JavaScript can have; the format is none of a typed array.
            JSEvalException: there is not so much memory.
        """
        return new_buffer(self._open(), kind, shape)

    def register_type(
        self,
        kind: type,
        *,
        to_js: Callable[[Any], object] | None = None,
        js_class: str | None = None,
        from_js: Callable[[dict[str, Any]], object] | None = None,
    ) -> None:
        """Says how a type of your own crosses, in one direction or in both.

            >>> from py_mini_racer import MiniRacer
            >>> from decimal import Decimal
            >>> ctx = MiniRacer()
            >>> ctx.register_type(Decimal, to_js=str)
            >>> ctx.eval("x => x + '!'")(Decimal("0.10"))
            '0.10!'

        Args:
            kind: the Python type; types derived from it are meant as well.
            to_js: makes something of an instance that can be converted.
            js_class: the name of a JavaScript class.
            from_js: makes a Python object of an instance of that class, which is given as a dict of its properties; in what is copied (`copy=True`, `copy()`).

        Raises:
            JSValueError: the type has its place in JavaScript already, or an argument is missing.
        """
        self._open().converters.register(kind, to_js=to_js, js_class=js_class, from_js=from_js)

    def function(
        self,
        function: F | None = None,
        /,
        *,
        name: str | None = None,
        this: bool = False,
        keywords: bool = False,
        replace: bool = False,
    ) -> Any:
        """Makes a Python function a global of JavaScript: a decorator, with or without arguments. The function itself stays as it is.

            >>> from py_mini_racer import MiniRacer
            >>> ctx = MiniRacer()
            >>> @ctx.function
            ... def twice(value):
            ...     return 2 * value
            >>> @ctx.function(name="shop.price", keywords=True)
            ... def price(item, *, currency="EUR"):
            ...     return f"3 {currency}"
            >>> ctx.eval("twice(21) + ' ' + shop.price('tea', { currency: 'CHF' })")
            '42 3 CHF'

        A coroutine function gives JavaScript a promise; it runs in the event loop that runs now, else in the context's (`event_loop=`), else in the one that
        runs where it is called.

        Args:
            function: any callable.
            name: what it is called, with the objects that it is in: `"a.b.c"`. Objects that are missing are made. By default the function's own name.
            this: pass JavaScript's `this` as the keyword argument `this`.
            keywords: the last argument, when it is an object, gives keyword arguments by its properties (no array, function, Map or the like).
            replace: put it in the place of what has the name already.

        Raises:
            JSValueError: something has the name already, or is on the way to it and no object.
            TypeError: it is not callable.
        """
        from py_mini_racer._functions import name_of, put

        def register(function: F) -> F:
            put(
                self._open(),
                name or name_of(function),
                self.callback(function, this=this, keywords=keywords),
                replace=replace,
            )
            return function

        return register if function is None else register(function)

    def callback(self, function: Callable[..., Any], *, this: bool = False, keywords: bool = False) -> JSFunction:
        """The JavaScript function that calls a Python one, for what `function` does not name. `function` says what the arguments are.

            >>> from py_mini_racer import MiniRacer
            >>> ctx = MiniRacer()
            >>> ctx.globals["counter"] = {"n": 5, "read": ctx.callback(lambda this: this["n"], this=True)}
            >>> ctx.eval("counter.read()")
            5

        Raises:
            TypeError: it is not callable.
        """
        from py_mini_racer._functions import Callback, running_loop

        if not callable(function):
            msg = f"a function is to be called: {type(function).__name__} is not callable"  # type: ignore[unreachable]
            raise TypeError(msg)
        context = self._open()
        made: JSFunction = context.as_function(
            Callback(function, running_loop() or context.event_loop, this=this, keywords=keywords)
        )
        return made

    def proxy(
        self,
        obj: Any,
        allow: Iterable[str] | None = None,
        *,
        write: Iterable[str] | bool = False,
        call: bool = False,
        deep: bool = False,
    ) -> PyProxy:
        """Lets JavaScript use a Python object where it is, as far as you allow it. Pass the answer wherever a value goes in.

            >>> from py_mini_racer import MiniRacer
            >>> from types import SimpleNamespace
            >>> ctx = MiniRacer()
            >>> page = SimpleNamespace(title="Tea", views=7, secret="x")
            >>> ctx.globals["page"] = ctx.proxy(page, ["title", "views"], write=["views"])
            >>> ctx.eval("page.views += 1; `${page.title} ${page.views} ${page.secret}`")
            'Tea 8 undefined'
            >>> page.views
            8

        A mapping shows its items, a sequence is an array of its elements, an iterator an iterator; any other object shows the attributes and methods in
        `allow`, can be iterated if Python can, and has `length` if it has a length. Nothing that starts with an underscore is ever seen. Coming back to
        Python, it is `obj` itself. While JavaScript holds it, the same object with the same permissions is the same object there.

        Args:
            obj: what to show.
            allow: the attributes and methods to be seen; of a mapping, the keys, and None for all of them.
            write: which of these may be set and deleted; True for all of them. Of a mutable sequence, True also sets, appends and removes elements.
            call: whether JavaScript may call it.
            deep: whether mappings, sequences and objects in it are shown in the same way. Otherwise they are converted as any value.

        Raises:
            JSValueError: a name starts with an underscore, or is in `write` and not in `allow`; a scalar, bytes or a JavaScript object needs no proxy.
            TypeError: names are no list of str.
        """
        from py_mini_racer._proxy import make

        self._open()
        return make(obj, allow, write=write, call=call, deep=deep)

    def _open(self) -> Context:
        if self._ctx is None:
            raise JSClosedException
        return self._ctx

    async def eval_cancelable(self, code: str) -> Any:
        """Evaluates a script on a thread of the library's; cancelled, it stops the script. mini-racer's name for `eval_async` without options. A promise comes
        as a `JSPromise`. Raises what `eval` raises.

            await asyncio.wait_for(ctx.eval_cancelable("while (true) {}"), timeout=1)
        """
        from py_mini_racer._async import submitted

        context = self._open()
        options = make_options(max_memory=context.max_memory)
        return await submitted(context, options, lambda options: context.submit_eval(code, options))

    def execute(
        self,
        expr: str,
        timeout: float | None = None,
        timeout_sec: float | None = None,
        max_memory: int | None = None,
        *,
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
    ) -> Any:
        """Evaluates an expression and returns its value as JSON makes it: dicts, lists, strings, numbers, booleans, None.

        `eval(copy=True)` is faster and keeps dates, BigInts, Maps, buffers and cycles.

            >>> from py_mini_racer import MiniRacer
            >>> MiniRacer().execute("{ list: [1, 2], none: null }")
            {'list': [1, 2], 'none': None}

        Args:
            expr: an expression; statements are a syntax error.
            timeout: milliseconds, as in `eval`.
            timeout_sec: seconds, as in `eval`.
            max_memory: bytes, as in `eval`.
            cpu_time_sec: seconds, as in `eval`.
            max_stack: bytes, as in `eval`.

        Raises what `eval` does, and:

        Raises:
            WrongReturnTypeException: JSON has nothing for the value (undefined, a function, a symbol).
        """
        text = self.eval(
            f"JSON.stringify({_returning(expr)})",
            timeout=timeout,
            timeout_sec=timeout_sec,
            max_memory=max_memory,
            cpu_time_sec=cpu_time_sec,
            max_stack=max_stack,
        )
        return self._from_json(text)

    async def execute_async(
        self,
        expr: str,
        *,
        timeout_sec: float | None = None,
        max_memory: int | None = None,
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
    ) -> Any:
        """Evaluates an expression as `execute` does, to be awaited as `eval_async` is: a promise is awaited, and its value goes through JSON."""
        text = await self.eval_async(
            f"(value => value instanceof Promise ? value.then(later => JSON.stringify(later)) : JSON.stringify(value))({_returning(expr)})",
            timeout_sec=timeout_sec,
            max_memory=max_memory,
            cpu_time_sec=cpu_time_sec,
            max_stack=max_stack,
        )
        return self._from_json(text)

    def _from_json(self, text: Any) -> Any:
        if not isinstance(text, str):
            raise WrongReturnTypeException(type(text))
        import json

        loads = self.json_impl.loads
        if loads is not json.loads:
            return loads(text)
        from py_mini_racer._lane import from_json

        return from_json(text, loads)

    def call(
        self,
        expr: str,
        *args: Any,
        encoder: Any = None,
        timeout: float | None = None,
        timeout_sec: float | None = None,
        max_memory: int | None = None,
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
    ) -> Any:
        """Calls the function that `expr` names; arguments and the answer go through JSON.

            >>> from py_mini_racer import MiniRacer
            >>> MiniRacer().call("Math.max", 3, 5)
            5

        Args:
            expr: an expression whose value is a function, such as `"Babel.transform"`.
            args: its arguments, as far as `json_impl` can write them.
            encoder: a `json.JSONEncoder` to write them with.
            timeout: milliseconds, as in `eval`.
            timeout_sec: seconds, as in `eval`.
            max_memory: bytes, as in `eval`.
            cpu_time_sec: seconds, as in `eval`.
            max_stack: bytes, as in `eval`.

        Raises what `execute` does, and what `json_impl` raises for an argument that it cannot write (a TypeError, as a rule).
        """
        return self.execute(
            self._applied(expr, args, encoder),
            timeout=timeout,
            timeout_sec=timeout_sec,
            max_memory=max_memory,
            cpu_time_sec=cpu_time_sec,
            max_stack=max_stack,
        )

    async def call_async(
        self,
        expr: str,
        *args: Any,
        encoder: Any = None,
        timeout_sec: float | None = None,
        max_memory: int | None = None,
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
    ) -> Any:
        """Calls the function that `expr` names as `call` does, to be awaited as `execute_async` is. `JSFunction.call_async` takes arguments of any kind."""
        return await self.execute_async(
            self._applied(expr, args, encoder),
            timeout_sec=timeout_sec,
            max_memory=max_memory,
            cpu_time_sec=cpu_time_sec,
            max_stack=max_stack,
        )

    def _applied(self, expr: str, args: tuple[Any, ...], encoder: Any) -> str:
        arguments = self.json_impl.dumps(args, separators=(",", ":"), cls=encoder)
        if '"__proto__"' in arguments:  # in an object literal it sets the prototype, in JSON it is a key
            arguments = f"JSON.parse({self.json_impl.dumps(arguments)})"
        return f"{expr}.apply(this, {arguments})"

    def wrap_py_function(self, func: PyJsFunctionType) -> AbstractAsyncContextManager[JSFunction]:
        """Makes a coroutine function callable from JavaScript, which gets a promise of what it returns.

            async with ctx.wrap_py_function(fetch) as js_fetch:
                ctx.globals["fetch"] = js_fetch
                print(await ctx.eval("fetch('...')"))

        The coroutines run in the event loop in which the context manager is entered; when it is left, those that still run are cancelled. What one raises
        rejects its promise with an Error whose message is "Error running Python function:" and the traceback. Promises of coroutines that were
        cancelled, and of later calls, stay pending.

        Args:
            func: a callable that returns an awaitable. Arguments come as from `eval`, what it returns is converted as an argument of a function is.
        """
        from contextlib import asynccontextmanager

        from py_mini_racer._promises import wrap_py_function

        return asynccontextmanager(wrap_py_function)(self._open(), func)

    def set_hard_memory_limit(self, limit: int) -> None:
        """Stops each later call with `JSOOMException` when this many bytes of heap are in use after a garbage collection; 0: none.

        The memory of ArrayBuffers is not part of the heap. A call's own `max_memory` goes before it. Timers' callbacks are no calls.
        """
        self._open().limit_memory(limit)

    def set_soft_memory_limit(self, limit: int) -> None:
        """Makes V8 collect garbage with more zeal when this many bytes of heap are in use after a collection; 0: never."""
        self._open().soft_limit(limit)

    def was_hard_memory_limit_reached(self) -> bool:
        """Whether a memory limit stopped a call since `set_hard_memory_limit`."""
        return self._open().memory_limit_reached

    def was_soft_memory_limit_reached(self) -> bool:
        """Whether the soft limit was reached since it was set."""
        return self._open().soft_limit_reached()

    def low_memory_notification(self) -> None:
        """Makes V8 collect all the garbage that there is. Waits for what runs, and takes its time."""
        self._open().collect_garbage()

    def heap_stats(self) -> dict[str, int]:
        """V8's numbers of the heap, in bytes: used_heap_size, total_heap_size, heap_size_limit, ..."""
        context = self._open()
        numbers: dict[str, int] = context.run(context.library.mr_heap_stats, None)
        return {name: int(number) for name, number in numbers.items()}

    def stats(self) -> Stats:
        """Numbers of this context, for monitoring: memory, handles, calls, time, limits; see `Stats` for all of them.

            >>> from py_mini_racer import MiniRacer
            >>> ctx = MiniRacer()
            >>> before = ctx.stats()["calls"]
            >>> ctx.eval("1 + 1")
            2
            >>> ctx.stats()["calls"] - before  # the eval, and this one itself
            2

        It is one call into the context, waits for what runs there, and takes some microseconds.
        """
        from py_mini_racer._stats import stats

        return stats(self._open())

    def heap_snapshot(self) -> Any:
        """A snapshot of the heap as Chromium's developer tools read it, as a dict. `json.dump` writes it; the file's name must end in `.heapsnapshot`."""
        context = self._open()
        return self.json_impl.loads(context.run(context.library.mr_heap_snapshot, None))


def _returning(expr: str) -> str:
    if not isinstance(expr, str):
        msg = "code is not a string"  # type: ignore[unreachable]
        raise JSEvalException(msg)
    return f"(function(){{return ({expr})}})()"


StrictMiniRacer = MiniRacer
"""The same class, by the name that it had in py-mini-racer 0.6."""


def mini_racer(event_loop: AbstractEventLoop | None = None) -> MiniRacer:
    """A `MiniRacer` for a with statement. Its promises can be awaited in any event loop, so that it does not matter which one is given.

        with mini_racer() as ctx:
            print(await ctx.eval("Promise.resolve(42)"))

    `event_loop` is the one of `MiniRacer`.
    """
    return MiniRacer(event_loop=event_loop)


__all__ = ["MiniRacer", "StrictMiniRacer", "mini_racer"]
