"""Realms: more than one set of globals in the heap of one MiniRacer. Any thread."""

from __future__ import annotations

from ctypes import addressof

from py_mini_racer._context import make_options
from py_mini_racer._mini_racer import MiniRacer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from py_mini_racer import _dll
    from py_mini_racer._context import Context
    from py_mini_racer._types import JSObject


class RealmContext:
    """A Context's face towards one realm of it: it evaluates there. All else is the Context's own."""

    def __init__(self, home: Context) -> None:
        from py_mini_racer import _lane

        self._home = home
        self._global: JSObject = home.run(home.library.mr_realm_new, home.options)
        self._default = self._here(None)
        crossing = _lane.crossing(self, home._id)
        if crossing:
            crossing.options = addressof(self._default)
        self.eval_plain = crossing.eval if crossing else self.eval_slowly

    def __getattr__(self, name: str) -> Any:
        return getattr(self._home, name)

    def _here(self, options: _dll.Options | None) -> _dll.Options:
        options = options or make_options(max_memory=self._home.max_memory)
        options.realm = self._global._wire_handle  # type: ignore[attr-defined]
        return options

    def eval(self, code: str, options: _dll.Options | None) -> Any:
        """Evaluates a script in the realm."""
        return self._home.eval(code, self._here(options))

    def eval_slowly(self, code: str, timeout: int) -> Any:
        """Likewise, with the realm's own options: see `Context.eval_slowly`."""
        if not timeout:
            return self._home.eval(code, self._default)
        options = make_options(max_memory=self._home.max_memory)
        options.timeout = timeout
        return self.eval(code, options)

    def submit_eval(self, code: str, options: _dll.Options) -> None:
        """Has a script evaluated in the realm: see `Context.submit`."""
        self._home.submit_eval(code, self._here(options))

    def run(self, function: Any, *arguments: Any) -> Any:
        """Calls a native function in the realm. Its options are the last of the arguments."""
        *others, options = arguments
        return self._home.run(function, *others, options if options is self._default else self._here(options))


class JSRealm(MiniRacer):
    """A realm of a MiniRacer: globals of its own, on the same heap, under the same limits. `MiniRacer.new_realm` makes it.

    It is used as a MiniRacer is, and costs a sixth of the time and of the memory. What it shares with the others: the heap and its limits, the
    lock (one of them runs at a time), timers' and promises' queue, `register_type`, numbers such as `heap_stats`. Objects may be passed from one to another.

    Realms keep the globals of scripts apart that do not know of each other; they are no wall against hostile ones. For those there are MiniRacers.

    Closing it lets it go; when nothing of it is held any more, it is collected. Closing the MiniRacer ends its realms as well.
    """

    def __init__(self, home: Context) -> None:
        super().__init__(RealmContext(home))  # type: ignore[arg-type]

    def new_realm(self) -> JSRealm:
        """One more realm of the MiniRacer that this one belongs to."""
        return JSRealm(self._open()._home)  # type: ignore[attr-defined]

    def _modules(self) -> NoReturn:
        msg = "modules are the MiniRacer's own, and run in its first realm: import them there, and pass what is needed"
        raise NotImplementedError(msg)


__all__ = ["JSRealm"]
