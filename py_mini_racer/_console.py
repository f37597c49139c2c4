"""A script's `console`: where its messages go. On the thread that runs JavaScript, while that waits.

The library makes the text and remembers counters, timers and groups. Here a message becomes an object, and finds its way to a callable or to the logger
`py_mini_racer.console`.
"""

from __future__ import annotations

from py_mini_racer._exc import JSValueError
from py_mini_racer._types import JSUndefined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger, LogRecord
    from typing import Any

    from py_mini_racer._context import Context

LEVELS = ("debug", "info", "warning", "error")  # by mr_wire.h's MR_CONSOLE_*
_DEEPEST = 20  # groups that are shown by indentation
_WIDEST = 60  # characters of a table's cell


class ConsoleMessage:
    """What a script has said to its console, once.

        def show(message):
            print(f"{message.filename}:{message.line} {message.level}: {message.text}")

        ctx = MiniRacer(console=show)

    Attributes:
        method: the method of `console`: "log", "warn", "table", ...
        level: "debug", "info", "warning" or "error".
        text: all of it as a browser shows it; of `console.table` the table.
        args: the arguments themselves, converted as those of a Python function are. Strings of more than 2**20 characters are cut.
        filename: the script's name; None where no script called, such as with `setTimeout(console.log)`.
        line: the line of the call, counted from 1; None likewise.
        column: its column, likewise.
        group: how many groups (`console.group`) it is in.
        stack: of `console.trace` the stack, one line for each function; else None.
    """

    __slots__ = ("args", "column", "filename", "group", "level", "line", "method", "stack", "text")

    def __init__(
        self,
        method: str,
        level: str,
        text: str,
        args: tuple[Any, ...] = (),
        filename: str | None = None,
        line: int | None = None,
        column: int | None = None,
        group: int = 0,
        stack: str | None = None,
    ) -> None:
        self.method, self.level, self.text, self.args = method, level, text, args
        self.filename, self.line, self.column = filename, line, column
        self.group, self.stack = group, stack

    def __repr__(self) -> str:
        where = "" if self.filename is None else f" at {self.filename}:{self.line}:{self.column}"
        return f"<ConsoleMessage {self.method} {self.text!r}{where}>"


class Console:
    """What the library calls as the function MR_HOST_CONSOLE: as _host.py's Asked."""

    def __init__(self, target: Any) -> None:
        if target is not None and not callable(target):
            msg = f"console must be a function that takes a message, False for none, or None for the logger, not {type(target).__name__}"
            raise JSValueError(msg)
        self.key: object = "console"
        self.target: Callable[[ConsoleMessage], object] | None = target
        self.plain: Callable[..., None] = self._log if target is None else self._tell
        self._logger: Logger | None = None

    def ask(self, _context: Context, values: list[Any]) -> None:
        """Takes one message. Only what is no Exception gets out, which ends the script's call."""
        self.plain(*values[1:])

    def _tell(self, *values: Any) -> None:
        target: Any = self.target
        try:
            target(_message_of(*values))
        except Exception:  # noqa: BLE001 (it is logged)
            _logger().exception(_LOST)

    def _log(self, method: str, level: int, *values: Any) -> None:
        logger = self._logger
        if logger is None:
            from logging import getLogger

            logger = self._logger = getLogger("py_mini_racer.console")
        try:
            number = _NUMBERS[level]
            if logger.isEnabledFor(number) and method != "clear":
                logger.handle(_record_of(logger, number, _message_of(method, level, *values)))
        except Exception:  # noqa: BLE001 (likewise)
            _logger().exception(_LOST)


_LOST = "a message of a script's console could not be delivered"
_NUMBERS = (10, 20, 30, 40)  # logging's, of LEVELS


def _logger() -> Logger:
    from logging import getLogger

    return getLogger("py_mini_racer")


def _record_of(logger: Logger, level: int, message: ConsoleMessage) -> LogRecord:
    text = message.text if message.stack is None else f"{message.text}\n{message.stack}"
    if message.group:
        margin = "  " * min(message.group, _DEEPEST)
        text = margin + text.replace("\n", f"\n{margin}")
    fields = {
        "js_method": message.method,
        "js_args": message.args,
        "js_filename": message.filename,
        "js_line": message.line,
        "js_column": message.column,
        "js_stack": message.stack,
    }
    where = message.filename or "<unknown>"
    return logger.makeRecord(logger.name, level, where, message.line or 0, text, (), None, None, fields)


def _message_of(
    method: str,
    level: int,
    text: str,
    filename: Any,
    line: int,
    column: int,
    group: float,
    detail: Any,
    *args: Any,
) -> ConsoleMessage:
    stack = None
    if method == "trace":
        stack = detail
    elif method == "table" and detail is not JSUndefined:
        text = _table(detail.copy())
    name = None if filename is JSUndefined else filename
    return ConsoleMessage(method, LEVELS[level], text, args, name, line or None, column or None, int(group), stack)


def _table(rows: list[list[str]]) -> str:
    """Rows of cells with lines round them; the first row is the head."""
    cells = [[cell if len(cell) <= _WIDEST else f"{cell[: _WIDEST - 1]}…" for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]

    def line(left: str, middle: str, right: str) -> str:
        return left + middle.join("─" * (width + 2) for width in widths) + right

    def shown(row: list[str]) -> str:
        return "│" + "│".join(f" {cell.ljust(width)} " for cell, width in zip(row, widths, strict=True)) + "│"

    head, *body = map(shown, cells)
    return "\n".join([line("┌", "┬", "┐"), head, line("├", "┼", "┤"), *body, line("└", "┴", "┘")])


__all__ = ["Console", "ConsoleMessage"]
