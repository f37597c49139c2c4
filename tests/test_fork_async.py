"""Forks of a process that awaits: what its threads were to do is done in the parent, and the child is told."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.child import output_of

CHILD = """
import asyncio, os, signal, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 and later: "use of fork() may lead to deadlocks"
from py_mini_racer import JSEvalException, MiniRacer

ctx = MiniRacer()
loop = asyncio.new_event_loop()
slow = "(() => { const end = Date.now() + 300; while (Date.now() < end); return 'done' })()"

def told(task):
    try:
        return loop.run_until_complete(asyncio.wait_for(task, 60))
    except JSEvalException as error:
        return type(error).__name__

def fork(in_child):
    sys.stdout.flush()
    child = os.fork()
    if not child:
        signal.alarm(60)
        print("child:", in_child(), flush=True)
        os._exit(0)
    return child
"""


@pytest.mark.needs("fork")
def test_what_waited_in_the_parent_is_told_that_it_is_the_parents():
    code = """
    running, queued, cancelled = (loop.create_task(ctx.eval_async(slow)) for _ in range(3))
    loop.run_until_complete(asyncio.sleep(0.1))
    def stop():
        cancelled.cancel()
        try:
            loop.run_until_complete(cancelled)
        except asyncio.CancelledError:
            return "cancelled"
    child = fork(lambda: [stop(), told(running), told(queued)])
    status = os.waitpid(child, 0)[1]
    print("parent:", status, [told(running), told(queued), told(cancelled)])
    """
    assert output_of(CHILD + dedent(code) + "loop.close()") == (
        "child: ['cancelled', 'JSForkedError', 'JSForkedError']\nparent: 0 ['done', 'done', 'done']"
    )


@pytest.mark.needs("fork")
def test_promises_of_an_idle_context_are_settled_in_both():
    code = """
    waiting = loop.create_task(ctx.eval_async("new Promise(r => setTimeout(r, 500, 'later'))"))
    loop.run_until_complete(asyncio.sleep(0.1))
    child = fork(lambda: [told(waiting), told(loop.create_task(ctx.eval_async("1 + 1")))])
    print("parent:", os.waitpid(child, 0)[1], told(waiting))
    """
    assert output_of(CHILD + dedent(code) + "loop.close()") == "child: ['later', 2]\nparent: 0 later"


@pytest.mark.needs("fork")
def test_promises_of_a_context_that_was_busy_are_not():
    code = """
    pending = ctx.eval("new Promise(() => {})")
    waiting = loop.create_task(pending.get_async())
    busy = loop.create_task(ctx.eval_async("for (;;);"))
    loop.run_until_complete(asyncio.sleep(0.1))
    child = fork(lambda: [told(waiting), told(busy)])
    status = os.waitpid(child, 0)[1]
    ctx.close()
    print("parent:", status, [told(waiting), told(busy)])
    """
    assert output_of(CHILD + dedent(code) + "loop.close()") == (
        "child: ['JSForkedError', 'JSForkedError']\nparent: 0 ['JSClosedException', 'JSClosedException']"
    )


@pytest.mark.needs("fork")
def test_functions_that_were_on_their_way_are_let_go():
    code = """
    call = ctx.eval("f => f()")
    function = lambda: "called"
    busy = loop.create_task(ctx.eval_async(slow))
    calling = loop.create_task(call.call_async(function))
    loop.run_until_complete(asyncio.sleep(0.1))
    def child_sees():
        return [told(calling), ctx._ctx.host.held(), ctx._ctx.host.waiting, ctx._ctx.host.brought]
    child = fork(child_sees)
    print("parent:", os.waitpid(child, 0)[1], told(calling))
    """
    assert output_of(CHILD + dedent(code) + "loop.close()") == "child: ['JSForkedError', 0, {}, {}]\nparent: 0 called"
