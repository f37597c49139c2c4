"""What only shows under load, or at the end: exits with JavaScript at work, many threads at once, and what is left behind by ten thousand of a thing."""

from __future__ import annotations

import time

import pytest

from tests.child import output_of

EXITS = {
    "an interval of JavaScript alone": """
        ctx.eval("setInterval(() => { for (let i = 0; i < 1e5; i++); }, 1)")
    """,
    "a timer that never ends": """
        ctx.eval("setTimeout(() => { while (true); }, 0)")
    """,
    "intervals that call Python": """
        ctx.eval("f => { for (let i = 0; i < 2; i++) setInterval(() => { f(); }, 0); }")(lambda: None)
    """,
    "an interval that throws": """
        logging.disable()
        ctx.eval("setInterval(() => { Promise.reject(1); throw {get message() { throw 1; }}; }, 0)")
    """,
    "a thread that calls Python again and again": """
        work = ctx.eval("f => { while (true) f(); }")
        threading.Thread(target=work, args=(lambda: None,), daemon=True).start()
    """,
    "a callback that never returns": """
        work = ctx.eval("f => f()")
        threading.Thread(target=work, args=(lambda: time.sleep(1000),), daemon=True).start()
    """,
    "a thread that waits for a promise": """
        promise = ctx.eval("new Promise(() => {})")
        threading.Thread(target=promise.get, daemon=True).start()
    """,
    "a context that nobody will ever close": """
        builtins.kept = ctx
        ctx.eval("f => { setInterval(() => { f(); }, 0); setInterval(() => {}, 0); }")(lambda: None)
    """,
    "objects and callbacks in a circle": """
        builtins.kept = [ctx.eval("x => x")({"f": [lambda: ctx]}), ctx.eval("new Uint8Array(1000)"), ctx.eval("Promise.resolve(1)")]
    """,
}


@pytest.mark.parametrize("work", EXITS.values(), ids=EXITS)
def test_an_exit_with_javascript_at_work_is_clean_and_fast(work: str) -> None:
    script = "import builtins, logging, threading, time\nfrom py_mini_racer import MiniRacer\nctx = MiniRacer()\n"
    lines = [line.strip() for line in work.strip().splitlines()]
    script += "\n".join([*lines, "time.sleep(0.03)", "print('done', end='')"])
    for _ in range(4):
        begun = time.monotonic()
        assert output_of(script) == "done"
        assert time.monotonic() - begun < 3  # a process starts in 0.1 s when the machine has nothing else to do


def test_javascript_can_be_used_until_the_end() -> None:
    script = """
        import atexit
        def late():  # runs after what the package has registered
            print(ctx.eval("1 + 1"))
            try:
                call()
            except JSEvalException as error:
                print("too late:", error.js_message)
        atexit.register(late)
        from py_mini_racer import JSEvalException, MiniRacer
        ctx = MiniRacer()
        call = ctx.eval("f => () => f()")(lambda: 5)
        print(call())
    """
    assert output_of(script).splitlines() == ["5", "2", "too late: the host function gave no answer"]
