"""Scripts in a Python process of their own, functions on a stack of their own, and copies of the package with other native files than the real ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import py_mini_racer

PACKAGE = Path(py_mini_racer.__file__).parent
V8_FLAGS = os.environ.get("MINI_RACER_V8_FLAGS", "")
"""With which V8 starts where a test does not say."""


def _with_flags(code: str) -> str:
    if not V8_FLAGS or "py_mini_racer" not in code:
        return code
    return f"import py_mini_racer; py_mini_racer.init_mini_racer.__kwdefaults__['flags'] = {V8_FLAGS!r}\n{code}"


def run_python(
    code: str, *arguments: str, root: Path = PACKAGE.parent, executable: str = sys.executable, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Runs the script with the package that is in `root`; warnings are errors there, too."""
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "error"}
    return subprocess.run(
        [executable, "-c", _with_flags(textwrap.dedent(code)), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env=environment,
        cwd=root,
    )


def output_of(
    code: str, *arguments: str, root: Path = PACKAGE.parent, executable: str = sys.executable, timeout: float = 60
) -> str:
    """What the script prints. It must end well and say nothing on stderr."""
    done = run_python(code, *arguments, root=root, executable=executable, timeout=timeout)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.removesuffix("\n")


def run_on_stack(kilobytes: int, function: Callable[[], object]) -> None:
    """Calls it on a thread with a stack of this size."""
    before = threading.stack_size(kilobytes * 1024)
    try:
        thread = threading.Thread(target=function)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()


def copy_package(root: Path, *, natives: bool = True) -> Path:
    """The package again, below `root`. Native files are links: a test may replace them, not write to them."""
    copy = root / PACKAGE.name
    copy.mkdir(parents=True)
    for file in PACKAGE.iterdir():
        if file.suffix == ".py":
            shutil.copy(file, copy)
        elif natives and file.is_file():
            (copy / file.name).symlink_to(file)
    return copy
