"""What a console.log costs: off, to a function, to the logger when nobody listens and when somebody does. Prints the rows of docs/console.md."""

from __future__ import annotations

import logging
from time import process_time

from py_mini_racer import MiniRacer

COUNT = 20000
MESSAGES = ("'hello', 42", "{id: 7, tags: ['a', 'b']}")


class Nowhere(logging.Handler):
    """Formats each record and throws it away."""

    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)


def measure(console: object, message: str) -> float:
    """Microseconds of CPU for one call."""
    with MiniRacer(console=console) as ctx:  # type: ignore[arg-type]
        run = ctx.eval(f"(n) => {{ for (let i = 0; i < n; i++) console.log({message}) }}")
        run(1000)
        best = float("inf")
        for _ in range(3):
            start = process_time()
            run(COUNT)
            best = min(best, process_time() - start)
        return best / COUNT * 1e6


def main() -> None:
    """Prints a table."""
    logger = logging.getLogger("py_mini_racer.console")
    logger.propagate = False
    logger.addHandler(Nowhere())

    def ignore(_message: object) -> None:
        """Does nothing with it."""

    for name, console, level in (
        ("`console=False`", False, logging.WARNING),
        ("a logger whose level is above it", None, logging.WARNING),
        ("a function", ignore, logging.WARNING),
        ("a logger with a handler", None, logging.INFO),
    ):
        logger.setLevel(level)
        print(f"| {name} | {' | '.join(f'{measure(console, each):.2f}' for each in MESSAGES)} |")


if __name__ == "__main__":
    main()
