"""The public types that stand for JavaScript's. `_objects.py` holds what they do."""

from __future__ import annotations

from collections.abc import MutableMapping, MutableSequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from typing import Any


class JSUndefinedType:
    """The type of `JSUndefined`, JavaScript's `undefined`, which is falsy. `null` is `None`."""

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "JSUndefined"


JSUndefined = JSUndefinedType()
"""JavaScript's `undefined`: what comes for it, and what to pass or return to have it there. Compare with `is`."""


class JSDate(float):
    """A Date that no `datetime` can hold: an invalid one (NaN), or one before the year 1 or after 9999.

    As a number it is the milliseconds since 1970-01-01T00:00Z. Passed to JavaScript, it is a Date again.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"JSDate({float.__repr__(self)})"


class JSError(Exception):
    """A JavaScript Error as a value, in what `copy()` gives: nobody has thrown it. Passed to JavaScript, it is an Error again.

    Attributes:
        name: such as "TypeError".
        message: its text.
        stack: where it was made, as JavaScript writes it; None when there is none.
        cause: JavaScript's `cause`, `JSUndefined` when there is none. When it is a JSError, it is `__cause__` as well.
    """

    def __init__(
        self, message: str = "", *, name: str = "Error", stack: str | None = None, cause: Any = JSUndefined
    ) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.stack = stack
        self.cause = cause
        if isinstance(cause, BaseException):
            self.__cause__ = cause

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name

    def __repr__(self) -> str:
        return f"<JSError {self}>"


class PyProxy:
    """A Python object for JavaScript to use where it is: what `MiniRacer.proxy` makes. Pass it wherever a value goes in."""

    __slots__ = ("call", "deep", "read", "target", "write")

    def __init__(
        self,
        target: Any,
        read: frozenset[str] | None,
        write: frozenset[str] | bool,  # noqa: FBT001 (a value, not a switch)
        *,
        call: bool,
        deep: bool,
    ) -> None:
        self.target = target
        self.read = read
        self.write = write
        self.call = call
        self.deep = deep

    def __repr__(self) -> str:
        return f"<PyProxy of {type(self.target).__name__}>"


class JSObject:
    """A JavaScript object, alive in its context. The same object is the same one in Python while one is held.

    Base of all handles. It can be used on any thread, and in its own context only. It keeps the JavaScript object from being collected; it does not keep the
    `MiniRacer` open. After that is closed, everything but `repr` and `==` raises `JSClosedException`.
    """

    def copy(
        self,
        *,
        max_depth: int | None = None,
        max_bytes: int | None = None,
        maps: str = "dict",
        timeout_sec: float | None = None,
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
        max_memory: int | None = None,
    ) -> Any:
        """The whole value as plain Python: dicts, lists, sets, strings, numbers. What is shared or cyclic stays so.

            >>> from py_mini_racer import MiniRacer
            >>> ctx = MiniRacer()
            >>> ctx.eval("({ tags: new Set(['a']), rows: [[1, 0.5]] })").copy()
            {'tags': {'a'}, 'rows': [[1, 0.5]]}

        Args:
            max_depth: how deep it may be nested; 400 by default.
            max_bytes: how large it may be, with 8 bytes for each value; 1 GiB by default.
            maps: "dict" for dicts and sets in place of Maps and Sets, "pairs" for lists, which can hold any keys.
            timeout_sec: seconds after which it is given up; getters and the traps of proxies run. None: the context's.
            cpu_time_sec: likewise, of CPU.
            max_stack: bytes of this thread's stack that JavaScript may use, from 64 KB. None: the context's.
            max_memory: bytes of JavaScript heap after which it is given up. None: the context's.

        Raises:
            JSConversionException: it is too deep or too large, or holds what Python cannot. The text names the place.
            JSEvalException: a getter or a proxy threw; JSTimeoutException, JSOOMException: it was stopped.
        """
        raise NotImplementedError

    def iterate(self, *, timeout_sec: float | None = None) -> Generator[Any, None, None]:
        """The values that a `for...of` loop meets: of an array, a Map, a Set, a generator, of whatever has `[Symbol.iterator]`.

            >>> from py_mini_racer import MiniRacer
            >>> ctx = MiniRacer()
            >>> evens = ctx.eval("(function* () { for (let n = 0; ; n += 2) yield n; })()")
            >>> for number in evens.iterate():
            ...     if number > 4:
            ...         break
            >>> number, list(evens.iterate())
            (6, [])

        A loop that is left early calls the iterator's `return()`: when the loop's end has let the generator go, or at its `close()`.

        Args:
            timeout_sec: seconds after which one step is stopped. None: never.

        Raises:
            TypeError: the object is not iterable.
            JSEvalException: the iterator threw.
        """
        raise NotImplementedError

    def __aiter__(self) -> AsyncGenerator[Any, None]:
        """The values that a `for await` loop meets: of an async generator, or of what `iterate` takes, whose promises are awaited.

            async for row in ctx.eval("rows()"):
                print(row)

        Raises what `iterate` does, and JSPromiseError.
        """
        raise NotImplementedError

    def call_method(
        self,
        name: str | JSSymbol,
        *args: Any,
        timeout_sec: float | None = None,
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
        max_memory: int | None = None,
    ) -> Any:
        """Calls a method of the object, with the object as its `this`.

            >>> from py_mini_racer import MiniRacer
            >>> ctx = MiniRacer()
            >>> ctx.eval("[3, 1, 2]").call_method("join", "-")
            '3-1-2'

        Args:
            name: the method's name, or the symbol that it has.
            args: its arguments.
            timeout_sec: seconds after which it is stopped. None: the context's.
            cpu_time_sec: likewise, of CPU.
            max_stack: bytes of this thread's stack that JavaScript may use, from 64 KB. None: the context's.
            max_memory: bytes of JavaScript heap after which it is stopped. None: the context's.
            max_stack: bytes of this thread's stack that JavaScript may use, from 64 KB. None: the context's.

        Raises:
            JSEvalException: the method threw, or there is none of that name; and what calling a function raises.
        """
        raise NotImplementedError


class JSMappedObject(MutableMapping, JSObject):  # type: ignore[type-arg]
    """An object as a mapping of its properties.

    Iteration and `len` see what a for-in loop sees, so prototypes' enumerable properties too; a key that is an index comes as int. Reading finds whatever the
    object has, inherited methods for example. `==` compares items; the hash is the object's identity. Reading and writing run getters, setters and
    proxies' traps, so they raise what scripts raise.

        >>> from py_mini_racer import MiniRacer
        >>> ctx = MiniRacer()
        >>> box = ctx.eval("({ a: 1, b: { c: 2 } })")
        >>> box["b"]["c"] = [3, 4]
        >>> list(box), box["b"]["c"][1], box.get("missing")
        (['a', 'b'], 4, None)

    Raises:
        JSKeyError: (also a KeyError) there is no such property.
    """


class JSArray(MutableSequence, JSObject):  # type: ignore[type-arg]
    """An array as a sequence.

    A negative index reads from the end; slices are not supported (`list(array)` or `array.copy()` have them). A gap reads as `JSUndefined`. Assigning beyond
    the end makes the array longer, as in JavaScript. Every access is a call into JavaScript. A loop over the array reads ahead as long as nothing else runs in
    the context, and sees every change that is made meanwhile, as a loop of JavaScript's does; for all of a long array at once, `copy()` is the way.

        >>> from py_mini_racer import MiniRacer
        >>> ctx = MiniRacer()
        >>> array = ctx.eval("[1, 2]")
        >>> array.append({"x": 3})
        >>> len(array), array[-1]["x"]
        (3, 3)

    Raises:
        IndexError: reading beyond the end; `JSArrayIndexError`, which is one: deleting there.
        TypeError: the index is no int.
    """


class JSFunction(JSMappedObject):
    """A function, or a class: call it.

        >>> from py_mini_racer import MiniRacer
        >>> ctx = MiniRacer()
        >>> ctx.eval("(rows, key) => rows.map(row => row[key])")([{"id": 1}, {"id": 2}], "id", copy=True)
        [1, 2]

    Its properties are items, as an object's.
    """

    def __call__(
        self,
        *args: Any,
        this: JSObject | JSUndefinedType = JSUndefined,
        timeout_sec: float | None = None,
        copy: bool = False,
        max_depth: int | None = None,
        max_bytes: int | None = None,
        maps: str = "dict",
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
        max_memory: int | None = None,
    ) -> Any:
        """Calls the function, on this thread.

        Args:
            args: its arguments.
            this: what `this` is in it.
            timeout_sec: seconds after which it is stopped, waiting for other threads' calls included. None: the context's; `math.inf`: never.
            copy: the result comes whole, as from `JSObject.copy`, which says what the other three are.
            max_depth: with `copy`.
            max_bytes: with `copy`.
            maps: with `copy`.
            cpu_time_sec: seconds of CPU that this thread may use for it, Python callbacks included. None: the context's.
            max_memory: bytes of JavaScript heap after which it is stopped. None: the context's.
            max_stack: bytes of this thread's stack that JavaScript may use, from 64 KB. None: the context's.

        Raises:
            JSEvalException: it threw; JSTimeoutException, JSOOMException: it was stopped.
            JSConversionException: an argument has no counterpart in JavaScript. The text names the place.
        """
        raise NotImplementedError

    def new(
        self,
        *args: Any,
        timeout_sec: float | None = None,
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
        max_memory: int | None = None,
    ) -> Any:
        """Makes an object with the function as its constructor, as `new` does.

            >>> from py_mini_racer import MiniRacer
            >>> ctx = MiniRacer()
            >>> ctx.globals["Map"].new([["a", 1]]).copy()
            {'a': 1}

        Raises what calling it raises.
        """
        raise NotImplementedError

    async def call_async(
        self,
        *args: Any,
        this: JSObject | JSUndefinedType = JSUndefined,
        timeout_sec: float | None = None,
        copy: bool = False,
        max_depth: int | None = None,
        max_bytes: int | None = None,
        maps: str = "dict",
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
        max_memory: int | None = None,
    ) -> Any:
        """Calls the function on a thread of the library's, while the event loop goes on. A promise that it returns is awaited.

            html = await ctx.eval("render").call_async(page, timeout_sec=2)

        Takes and raises what a call and `MiniRacer.eval_async` do, which says what a cancelled task comes to.
        """
        raise NotImplementedError

    def cancelable(self) -> CancelableJSFunction:
        """The same function, to be awaited; mini-racer's name for `call_async` without options. A promise that it returns comes as a `JSPromise`.

        render = ctx.eval("render").cancelable()
        html = await asyncio.wait_for(render(page), timeout=2)
        """
        raise NotImplementedError


class CancelableJSFunction(JSMappedObject):
    """A function whose calls are awaited; from `JSFunction.cancelable()`."""

    async def __call__(self, *args: Any, this: JSObject | JSUndefinedType = JSUndefined) -> Any:
        """Calls the function on a thread of the library's. Cancelled, the script is stopped. Raises what calling a function raises."""
        raise NotImplementedError


class JSSymbol(JSMappedObject):
    """A symbol. It can be a key: `obj[symbol]`, `obj.call_method(symbol)`."""


class JSModule(JSMappedObject):
    """A module's namespace: its exports as attributes and as items, with the values that they have at the time.

        >>> from py_mini_racer import MiniRacer
        >>> ctx = MiniRacer()
        >>> counter = ctx.eval_module("export let n = 0; export function next() { return n += 1 }")
        >>> counter.next(), counter.n
        (1, 1)

    Items reach all exports, attributes those whose names are not taken by methods such as `copy`. Reading an export whose module has not come so far as
    to give it a value raises a JSEvalException; one that is not there, AttributeError or JSKeyError. Exports cannot be set from outside.
    """

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError


class JSScript(JSObject):
    """A script that has been compiled: `MiniRacer.compile` gives it.

    Attributes:
        cache_rejected: whether it was compiled with a cache that could not be used: one of another script, of another V8, damaged.
    """

    cache_rejected: bool

    def run(
        self,
        *,
        timeout_sec: float | None = None,
        cpu_time_sec: float | None = None,
        max_stack: int | None = None,
        max_memory: int | None = None,
        copy: bool = False,
        max_depth: int | None = None,
        max_bytes: int | None = None,
        maps: str = "dict",
    ) -> Any:
        """Runs it, and returns the value of its last statement. As often as one likes; arguments and errors are those of `MiniRacer.eval`."""
        raise NotImplementedError

    @property
    def cache(self) -> bytes:
        """What `MiniRacer.compile` can use in place of parsing and compiling, in this process or another one: of the script, and of those of its functions that
        have been called by now. It belongs to this build of V8, and is trusted like a pickle: who can change it can run code.
        """
        raise NotImplementedError


class JSPromise(JSObject):
    """A promise: `get()` it in a thread, or `await` it in any event loop; as often as you like, in several at once.

    Awaiting raises what `get` does, but for the RuntimeError. To cancel the task that awaits ends the waiting and leaves the promise alone.

        >>> from py_mini_racer import MiniRacer
        >>> ctx = MiniRacer()
        >>> ctx.eval("new Promise(resolve => setTimeout(resolve, 5, 'done'))").get(timeout=5)
        'done'
    """

    def get(
        self,
        *,
        timeout: float | None = None,
        copy: bool = False,
        max_depth: int | None = None,
        max_bytes: int | None = None,
        maps: str = "dict",
    ) -> Any:
        """Waits until it is settled and returns its value.

        Args:
            timeout: seconds to wait at most. None: as long as it takes.
            copy: the value comes whole, as from `JSObject.copy`, which says what the other three are.
            max_depth: with `copy`.
            max_bytes: with `copy`.
            maps: with `copy`.

        Raises:
            JSPromiseError: it was rejected.
            JSTimeoutException: it is still pending; it stays so, and can be waited for again.
            JSClosedException: the MiniRacer was closed meanwhile.
            JSConversionException: with `copy`: it is too deep or too large, or holds what Python cannot. The text names the place.
            RuntimeError: it is pending, and waiting here would keep it so: in a thread that runs an event loop (write `await promise`), or in a callback
                that JavaScript of the same context waits for.
        """
        raise NotImplementedError

    async def get_async(
        self, *, copy: bool = False, max_depth: int | None = None, max_bytes: int | None = None, maps: str = "dict"
    ) -> Any:
        """Waits in the running event loop; `await promise` is the same without `copy`. Takes and raises what `get` does, but for timeout and RuntimeError.

            order = await ctx.eval("loadOrder(7)").get_async(copy=True)

        A timeout is what `asyncio.wait_for` is for.
        """
        raise NotImplementedError

    def __await__(self) -> Generator[Any, None, Any]:
        raise NotImplementedError
