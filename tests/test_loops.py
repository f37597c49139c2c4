"""A loop ends at the first limit reached: V8's own, when a builtin is given a huge length or string, and the script's, when each turn is one long step."""

from __future__ import annotations

import json

import pytest

from tests.child import output_of

pytestmark = [pytest.mark.needs("source"), pytest.mark.timeout(1200)]


# A builtin that looks at no limit runs for hours. How late one is counts in CPU time, which a busy machine does not change.
RUN = """
import faulthandler, signal, sys, threading, time
from py_mini_racer import JSCPUTimeException, JSTerminatedException, JSTimeoutException, MiniRacer

LATE = 5
how, setup = sys.argv[1:3]
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background processes ignore it
ctx = MiniRacer(max_memory=1 << 30)
ctx.eval(setup)
for code in sys.argv[3:]:
    faulthandler.dump_traceback_later(300, exit=True)
    timer = threading.Timer(0.2, ctx.interrupt if how == "interrupt" else lambda: signal.raise_signal(signal.SIGINT))
    start = time.thread_time()
    try:
        if how == "timeout":
            ctx.eval(code, timeout_sec=0.2)
        elif how == "cpu":
            ctx.eval(code, cpu_time_sec=0.2)
        else:
            timer.start()
            ctx.eval(code)
    except JSCPUTimeException:
        came = "cpu"
    except JSTimeoutException:
        came = "timeout"
    except JSTerminatedException:
        came = "interrupt"
    except KeyboardInterrupt:
        came = "Ctrl-C"
    except Exception as error:
        came = repr(error)
    else:
        came = "a value"
    took = time.thread_time() - start
    if timer.is_alive():
        timer.join()
    if came != how:
        print(f"{code}: {came}")
    elif took > LATE:
        print(f"{code}: after {took:.1f} seconds of CPU time")
    assert ctx.eval("[3, 1, 2].sort().map(x => x * 2).join()") == "2,4,6", code
faulthandler.cancel_dump_traceback_later()
"""
SETUP = """
const AP = Array.prototype, long = { length: 2 ** 50 }, sparse = [1, 2], holes = new Array(2 ** 31), yes = () => true, no = () => false;
sparse[2 ** 32 - 2] = 3;
const endless = { [Symbol.iterator]: () => ({ next: Object.bind(null, { value: [1] }) }) };
let nested = [];
for (let i = 0; i < 60; i++) nested = [nested, nested];
const text = 'y'.repeat(2 ** 28), half = 'y'.repeat(1e6);
"""
NUMBERS = """
const bytes = new Uint8Array(2 ** 30), numbers = new Float64Array(2 ** 25);
for (let i = 0; i < 2 ** 20; i++) numbers[i] = Math.random();
for (let i = 2 ** 20; i < numbers.length; i *= 2) numbers.copyWithin(i, 0, i);
"""
HUGE = """
const huge = Array(2 ** 26).fill('1'.repeat(200) + 'e999');
"""
GROUPS = {
    "callbacks": [
        "AP.every.call(long, yes)",
        "AP.some.call(long, no)",
        "AP.forEach.call(long, no)",
        "AP.filter.call(long, no)",
        "AP.find.call(long, no)",
        "AP.findIndex.call(long, no)",
        "AP.findLast.call(long, no)",
        "AP.findLastIndex.call(long, no)",
        "AP.reduce.call(long, yes, 1)",
        "AP.reduceRight.call(long, yes, 1)",
        "AP.flatMap.call(long, yes)",
        "sparse.every(yes)",
        "sparse.map(yes)",
        "AP.find.call(long, Boolean)",
        "AP.filter.call(holes, Boolean)",
    ],
    "searches": [
        "AP.indexOf.call(long, 5)",
        "AP.lastIndexOf.call(long, 5)",
        "AP.includes.call(long, 5)",
        "sparse.indexOf(5)",
        "sparse.lastIndexOf(5)",
        "AP.indexOf.call(new Proxy(long, {}), 5)",
        "text.lastIndexOf(half + 'z')",
    ],
    "changes": [
        "AP.reverse.call(long)",
        "AP.copyWithin.call(long, 0, 3)",
        "AP.fill.call({ length: 2 ** 50 }, 0)",
        "new Array(2 ** 31).fill(0)",
        "sparse.slice().reverse()",
        "Object.assign([], sparse).sort()",
        "sparse.slice().splice(0, 1)",
        "sparse.slice().splice(0, 0, 1)",
        "sparse.slice().shift()",
        "sparse.slice().unshift(1)",
        "AP.flat.call(long)",
        "nested.flat(Infinity)",
    ],
    "keys": [
        "Object.keys(Object(text))",
        "Object.entries(Object(text))",
        "Object.assign({}, Object(text))",
        "Intl.getCanonicalLocales(long)",
    ],
    "iterators": [
        "Array.from(endless)",
        "new Set(endless)",
        "Iterator.from(endless).drop(2 ** 50).next()",
        "Iterator.from(endless).every(Array)",
        "Object.groupBy(endless, Boolean)",
        "AP.values.call(long).reduce(Math.max, 0)",
    ],
    "strings": [
        "text.replace(/y/g, 'z')",
        "text.replaceAll('y', 'z')",
        "text.replaceAll('', 'z')",
        "text.replace(/y/g, String)",
        "text.split('y')",
        "'\\u00e9'.repeat(2 ** 27).normalize('NFD')",
        "encodeURIComponent(text)",
        "decodeURIComponent(text)",
    ],
    "JSON": [
        "JSON.parse('[' + '1,'.repeat(1e8) + '1]')",
        "JSON.parse('[' + '{\"a\":1},'.repeat(3e7) + '1]')",
        "JSON.parse('[' + '[],'.repeat(3e7) + '1]')",
        "JSON.stringify(Array(2 ** 25).fill(1))",
    ],
    "ordinary arrays": [
        "huge.forEach(encodeURI)",
        "huge.map(encodeURI)",
        "huge.filter(encodeURI)",
        "huge.every(encodeURI)",
        "huge.some(Date.parse)",
        "huge.find(Date.parse)",
        "huge.findIndex(Date.parse)",
        "huge.findLast(Date.parse)",
        "huge.findLastIndex(Date.parse)",
        "huge.reduce(encodeURI)",
        "huge.reduceRight(encodeURI)",
        "Object.entries(huge)",
        "Object.entries(new Float32Array(2 ** 26))",
    ],
    "typed arrays": [
        "bytes.every(Array)",
        "bytes.forEach(Boolean)",
        "bytes.find(Boolean)",
        "AP.indexOf.call(bytes, 5)",
        "numbers.sort()",
    ],
}


@pytest.mark.parametrize("group", GROUPS)
def test_a_timeout_ends_a_builtin(group):
    setup = SETUP + {"typed arrays": NUMBERS, "ordinary arrays": HUGE}.get(group, "")
    assert output_of(RUN, "timeout", setup, *GROUPS[group], timeout=1000) == ""


def test_a_timeout_ends_a_copy_of_a_typed_array():
    run = RUN.replace("LATE = 5", "LATE = 2")
    assert (
        output_of(run, "timeout", "const bytes = new Uint8Array(2 ** 30 - 2 ** 20)", "bytes.toReversed()", timeout=1000)
        == ""
    )


@pytest.mark.parametrize("how", ["cpu", "interrupt", "Ctrl-C"])
def test_what_else_ends_a_builtin(how):
    codes = [
        "AP.every.call(long, yes)",
        "AP.indexOf.call(long, 5)",
        "new Array(2 ** 31).fill(0)",
        "text.replace(/y/g, 'z')",
        "text.replace(/y/g, String)",
        "text.split('y')",
        "encodeURIComponent(text)",
        "JSON.parse('[' + '1,'.repeat(1e8) + '1]')",
        "numbers.sort()",
    ]
    assert output_of(RUN, how, SETUP + NUMBERS, *codes, timeout=1000) == ""


# Each call is one of long steps; what is printed is what did not end in time.
LONG_STEPS = """
import faulthandler, json, sys, time
from py_mini_racer import JSTimeoutException, MiniRacer, init_mini_racer

def expect_end(what, function, *arguments):
    faulthandler.dump_traceback_later(120, exit=True)
    start = time.thread_time()
    try:
        function(*arguments, timeout_sec=0.05)
    except JSTimeoutException:
        took = time.thread_time() - start
        if took > 1:
            print(f"{what}: after {took:.1f} seconds of CPU time")
    else:
        print(f"{what}: no timeout")
    faulthandler.cancel_dump_traceback_later()
"""
# Later calls run what earlier ones have compiled, which looks at less: without the check at the end of a turn, some call of these runs for minutes.
TURNS = (
    LONG_STEPS
    + """
init_mini_racer(flags=json.loads(sys.argv[1]))
ctx = MiniRacer()
ctx.eval("var bytes = new Uint8Array(1e8)")
for code in sys.argv[2:]:
    loop = ctx.eval(f"() => {{ {code} }}")
    for call in range(6):
        expect_end(f"{code}, call {call}", loop)
"""
)
# One call after the other, with no loop and no function of the script's own between them, as it was just compiled and as the compiler has it that optimizes.
STEPS = (
    LONG_STEPS
    + """
ctx = MiniRacer()
ctx.eval("var few = new Uint8Array(3)")
ctx.eval("var many = new Uint8Array(1e8), numbers = new Array(5e6).fill(1), keys = {}; for (let i = 0; i < 2e5; i++) keys['k' + i] = i")
for code, small, large in (case.split("|") for case in sys.argv[1:]):
    function = ctx.eval(f"(a) => {{ {code * 1000} }}")
    expect_end(f"{code}, cold", function, ctx.eval(large))
    ctx.eval("(f, a) => { for (let i = 0; i < 3000; i++) f(a) }")(function, ctx.eval(small))
    expect_end(f"{code}, warm", function, ctx.eval(large))
"""
)
TIERS = {
    "interpreter": ["--no-sparkplug", "--no-maglev", "--no-turbofan"],
    "baseline": ["--always-sparkplug", "--no-maglev", "--no-turbofan"],
    "Maglev": ["--always-sparkplug", "--no-turbofan", "--force-emit-interrupt-budget-checks"],
    "all": [],
}


@pytest.mark.parametrize("tier", TIERS)
def test_a_loop_of_long_steps_ends(tier):
    codes = [
        "for (;;) bytes.fill(1)",
        "let i = 0; while (true) i += bytes.indexOf(5)",
        "do { var x = bytes.includes(5) } while (!x)",
        "for (const x of function* () { for (;;) yield bytes.fill(1) }()) ;",
        "outer: for (;;) for (;;) { bytes.fill(1); continue outer }",
    ]
    assert output_of(TURNS, json.dumps(TIERS[tier]), *codes, timeout=700) == ""


def test_long_steps_without_a_loop_end():
    cases = [
        "a.fill(1);|few|many",
        "a.indexOf(5);|few|many",
        "a.fill(1);|[1]|numbers",
        "[...a];|[1]|numbers",
        "new ArrayBuffer(a);|1|1e8",
        "new Array(a);|1|3e6",
        "Reflect.ownKeys(a);|({})|keys",
        "for (const key in a) break;|({})|keys",
    ]
    assert output_of(STEPS, *cases, timeout=700) == ""
