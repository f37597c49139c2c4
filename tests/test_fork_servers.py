"""Servers that fork: the real gunicorn with its application loaded before the fork, and the real celery with its pool of forked workers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.child import PACKAGE

pytestmark = pytest.mark.needs("fork")

APPLICATION = """
from py_mini_racer import MiniRacer

ctx = MiniRacer()
render = ctx.eval("name => `hello ${name}`")

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    with MiniRacer() as new:
        return [f"{render('you')} {new.eval('1 + 1')}".encode()]
"""

TASKS = """
from celery import Celery
from py_mini_racer import MiniRacer

app = Celery("tasks", broker="filesystem://", backend="file://FOLDER/results")
app.conf.update(
    broker_transport_options={"data_folder_in": "FOLDER/queue", "data_folder_out": "FOLDER/queue", "control_folder": "FOLDER/control"},
    broker_connection_retry_on_startup=True,
)
ctx = MiniRacer()
square = ctx.eval("x => x * x")

@app.task
def work(number):
    with MiniRacer() as new:
        return square(number) + new.eval("0")
"""


def environment(folder: Path) -> dict[str, str]:
    paths = [str(folder), str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=folder,
            env=environment(folder),
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def stop(server: subprocess.Popen[bytes]) -> int:
    server.terminate()
    try:
        return server.wait(60)
    except subprocess.TimeoutExpired:
        server.kill()
        raise


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(url: str) -> str:
    """The answer; the server may still be starting."""
    end = time.monotonic() + 60
    while True:
        try:
            with urlopen(url, timeout=30) as answer:
                text: str = answer.read().decode()
                return text
        except URLError:  # noqa: PERF203 (it waits)
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def test_gunicorn_with_preload(tmp_path):
    (tmp_path / "site_js.py").write_text(APPLICATION)
    port = free_port()
    server = start(
        tmp_path, "gunicorn", "--preload", "--workers", "2", "--bind", f"127.0.0.1:{port}", "site_js:application"
    )
    try:
        answers = {get(f"http://127.0.0.1:{port}/") for _ in range(20)}
    finally:
        code = stop(server)
    assert (answers, code) == ({"hello you 2"}, 0), (tmp_path / "log").read_text()


def test_celery_prefork(tmp_path):
    for name in ("queue", "control", "results"):
        (tmp_path / name).mkdir()
    (tmp_path / "tasks_js.py").write_text(TASKS.replace("FOLDER", str(tmp_path)))
    client = (
        "import tasks_js; print(tasks_js.app.conf.broker_url, "
        "[tasks_js.work.delay(n).get(timeout=60) for n in range(6)])"
    )
    server = start(tmp_path, "celery", "-A", "tasks_js", "worker", "--pool", "prefork", "--concurrency", "2")
    try:
        done = subprocess.run(
            [sys.executable, "-c", client], cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
    finally:
        code = stop(server)
    log = (tmp_path / "log").read_text()
    assert (done.stdout.strip(), code) == ("filesystem:// [0, 1, 4, 9, 16, 25]", 0), done.stderr + log
