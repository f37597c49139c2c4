"""Features of JavaScript that flags of V8 switch: wherever globals come from they are there, or are not."""

from __future__ import annotations

import pytest

from py_mini_racer import MiniRacer, Snapshot
from tests.child import output_of

pytestmark = pytest.mark.needs("source")

# By the flag that switches them off; Temporal is no part of the snapshot that V8 begins with, the others are.
ON = {
    "--no-js-promise-try": ["Promise.try"],
    "--no-js-atomics-pause": ["Atomics.pause"],
    "--no-js-error-iserror": ["Error.isError"],
    "--no-js-regexp-escape": ["RegExp.escape"],
    "--no-js-explicit-resource-management": [
        "SuppressedError",
        "DisposableStack",
        "AsyncDisposableStack",
        "Iterator.prototype[Symbol.dispose]",
        "Object.getPrototypeOf(Object.getPrototypeOf(async function*(){}.prototype))[Symbol.asyncDispose]",
    ],
    "--no-js-float16array": [
        "Float16Array",
        "Math.f16round",
        "DataView.prototype.getFloat16",
        "DataView.prototype.setFloat16",
    ],
    "--no-js-base-64": [
        "Uint8Array.fromBase64",
        "Uint8Array.fromHex",
        "Uint8Array.prototype.toBase64",
        "Uint8Array.prototype.setFromBase64",
        "Uint8Array.prototype.toHex",
        "Uint8Array.prototype.setFromHex",
    ],
    "--no-js-upsert": [
        "Map.prototype.getOrInsert",
        "Map.prototype.getOrInsertComputed",
        "WeakMap.prototype.getOrInsert",
        "WeakMap.prototype.getOrInsertComputed",
    ],
    "--no-js-iterator-sequencing": ["Iterator.concat"],
    "--no-js-sum-precise": ["Math.sumPrecise"],
    "--no-js-intl-locale-variants": ["Object.getOwnPropertyDescriptor(Intl.Locale.prototype, 'variants')"],
    "--no-harmony-temporal": ["Temporal", "Date.prototype.toTemporalInstant"],
}
ALL = [path for paths in ON.values() for path in paths]
STAGED = ["Iterator.prototype.join", "Iterator.zip"]

MISSING = """
(paths) => paths.filter((path) => {
    try { return (0, eval)(path) === undefined } catch { return true }
})
"""
CHILD = """
import sys
from py_mini_racer import MiniRacer, Snapshot, init_mini_racer
init_mini_racer(flags=sys.argv[1])
paths = sys.argv[3:]
plain = MiniRacer()
made = MiniRacer(snapshot=Snapshot.create("globalThis.kept = new Map([[1, 2]])"))
found = [ctx.eval(sys.argv[2])(paths).copy() for ctx in (plain, plain.new_realm(), made, made.new_realm())]
assert all(other == found[0] for other in found), found
print("\\n".join(found[0]))
"""


def missing(ctx: MiniRacer) -> list[str]:
    found: list[str] = ctx.eval(MISSING)(ALL).copy()
    return found


def missing_with(flags: str) -> list[str]:
    return output_of(CHILD, flags, MISSING, *ALL, *STAGED).splitlines()


def test_contexts_realms_and_snapshots_have_them() -> None:
    snapshot = Snapshot.create("globalThis.kept = [Promise.try, new Float16Array([1.5]), new DisposableStack()]")
    with MiniRacer() as plain, MiniRacer(snapshot=snapshot) as made:
        for ctx in (plain, plain.new_realm(), plain.new_realm(), made, made.new_realm()):
            assert missing(ctx) == []
        assert made.eval("kept[0] === Promise.try && kept[1][0] === 1.5 && kept[2] instanceof DisposableStack")


def test_they_work_in_every_realm() -> None:
    code = """
        const closed = [];
        { using a = { [Symbol.dispose]() { closed.push("a") } } }
        [closed.join(), new Float16Array([1.5])[0], Uint8Array.fromHex("ff")[0], [...Iterator.concat([1], [2])].join(),
         new Map().getOrInsert("k", 7), Math.sumPrecise([1e20, 0.1, -1e20]), Error.isError(new SuppressedError(1, 2)),
         Temporal.Instant.from("1970-01-01T00:00:01Z").epochMilliseconds, new Date(5).toTemporalInstant().epochMilliseconds,
         RegExp.escape("a"), new Intl.Locale("ca-valencia").variants, typeof Promise.try].join(" ")
    """
    expected = "a 1.5 255 1,2 7 0.1 true 1000 5 \\x61 valencia function"
    with MiniRacer() as ctx:
        for realm in (ctx, ctx.new_realm(), ctx.new_realm()):
            assert realm.eval(code) == expected


def test_what_one_realm_changes_of_them_is_its_own() -> None:
    with MiniRacer() as ctx:
        changed, other = ctx.new_realm(), ctx.new_realm()
        changed.eval("delete Promise.try; Float16Array.prototype.extra = 1; Map.prototype.get = () => 'changed'")
        assert other.eval("typeof Promise.try + typeof Float16Array.prototype.extra + new Map([[1, 2]]).get(1)") == (
            "functionundefined2"
        )
        assert ctx.eval("(f) => f !== Promise.try")(other.eval("Promise.try"))
        changed.close()
        ctx.low_memory_notification()
        assert other.eval("[1, 2, 3].map(x => x * 2).join()") == "2,4,6"


@pytest.mark.parametrize("flag", ON)
def test_a_flag_switches_one_off(flag: str) -> None:
    assert missing_with(flag) == ON[flag] + STAGED


def test_a_flag_switches_all_off_and_another_one_more_on() -> None:
    assert missing_with("--no-js-shipping --no-harmony-shipping") == ALL + STAGED
    assert missing_with("--js-staging") == []
