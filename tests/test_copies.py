"""Contexts and realms that V8 copies from an earlier one's objects (helpers/patches/62-contexts-by-copy.patch), and what stays for them when the last is gone
(64-read-only-space-stays.patch): they are as if they were made by themselves."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from py_mini_racer import MiniRacer, Snapshot
from tests.child import output_of

# Every object that globals lead to, with its properties: what they are, and which object is where.
EVERYTHING = """
(() => {
    const numbers = new Map([[globalThis, 0]]), queue = [[globalThis, "global"]], lines = [];
    const name = (value, path) => {
        if ((typeof value !== "object" || value === null) && typeof value !== "function") return String(value);
        if (!numbers.has(value)) {
            numbers.set(value, numbers.size);
            queue.push([value, path]);
        }
        return "#" + numbers.get(value);
    };
    for (const [object, path] of queue) {
        lines.push([path, typeof object, name(Object.getPrototypeOf(object), path + "^"), Object.isExtensible(object)].join(" "));
        for (const key of Reflect.ownKeys(object)) {
            const { value, get, set, ...rest } = Object.getOwnPropertyDescriptor(object, key), at = path + "." + String(key);
            lines.push([at, name(value, at), name(get, at + " get"), name(set, at + " set"), JSON.stringify(rest)].join(" "));
        }
    }
    return lines.join("\\n");
})()
"""
WORK = """
(() => {
    class A { #x = 1; get x() { return this.#x } static s = 5 }
    const map = new Map(), object = {};
    for (let i = 0; i < 500; i++) { map.set("k" + i, [i]); object["p" + i * 7919 % 1000] = i }
    Array.prototype.extra = 1; delete Array.prototype.extra;
    function* count() { yield* [1, 2, 3] }
    let caught; try { null.x } catch (error) { caught = error instanceof TypeError && error.stack.length > 10 }
    return [map.size, Object.keys(object).length, new A().x + A.s, [3, 1, 2].sort().map(x => x * 2), caught,
            count().map(x => x + 1).toArray(), "a-b".replace(/-(.)/, (_, c) => c.toUpperCase()), new Date(0).toISOString(),
            2n ** 70n, new Proxy({}, { get: (_, key) => key }).hello, new WeakSet([object]).has(object), new Float16Array([0.1])[0],
            Temporal.PlainDate.from("2020-02-29").add({ years: 1 }), new Intl.NumberFormat("en").format(12345.5),
            new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])), eval("1 + 1"), new Function("return 7")()].join();
})()
"""

pytestmark = pytest.mark.needs("source")


def test_copies_have_everything_that_the_first_has() -> None:
    first, *others = output_of(
        "import sys\nfrom py_mini_racer import MiniRacer\n"
        "contexts = [MiniRacer(), MiniRacer(), MiniRacer(), MiniRacer()]\n"
        "contexts += [contexts[0].new_realm(), contexts[3].new_realm()]\n"
        "print('\\0'.join(ctx.eval(sys.argv[1]) for ctx in contexts))",
        EVERYTHING,
    ).split("\0")
    assert first.count("\n") > 2000
    assert all(other == first for other in others)


def test_copies_go_through_collections() -> None:
    chance = random.Random(5)
    with MiniRacer() as ctx:
        everything, work = ctx.eval(EVERYTHING), ctx.eval(WORK)
        realms = []
        for _ in range(60):
            realms.append(ctx.new_realm())
            assert realms[-1].eval(WORK) == work
            if len(realms) > 8:
                realms.pop(chance.randrange(len(realms))).close()
            if chance.random() < 0.2:
                ctx.low_memory_notification()
                assert chance.choice(realms).eval(EVERYTHING) == everything


def test_copies_are_apart() -> None:
    with MiniRacer() as ctx:
        work = ctx.eval(WORK)
        changed, other = ctx.new_realm(), ctx.new_realm()
        changed.eval("for (const key of Reflect.ownKeys(Array.prototype)) try { delete Array.prototype[key] } catch {}")
        changed.eval(
            "Object.prototype.toString = null; Map.prototype.get = () => 1; Object.freeze(Math); delete globalThis.Date"
        )
        assert changed.eval("typeof [].map + typeof Date") == "undefinedundefined"
        assert [realm.eval(WORK) for realm in (ctx, other, ctx.new_realm())] == [work] * 3
        assert other.eval("(array) => array instanceof Array")(changed.eval("[1]")) is False


def test_threads_open_contexts_at_once() -> None:
    start = threading.Barrier(4)

    def run(_: int) -> set[str]:
        start.wait()
        found = set()
        for _ in range(8):
            with MiniRacer() as ctx:
                found |= {ctx.eval(WORK), ctx.new_realm().eval(WORK)}
        return found

    with ThreadPoolExecutor(4) as pool:
        assert len(set().union(*pool.map(run, range(4)))) == 1


def test_when_the_last_context_is_gone_others_come() -> None:
    out = output_of("""
        from py_mini_racer import MiniRacer
        for _ in range(10):
            contexts = [MiniRacer() for _ in range(3)]
            contexts += [ctx.new_realm() for ctx in contexts for _ in range(2)]
            found = [ctx.eval("new Map([['a', 1]]).get('a') + Object.keys({x: 1, y: 2}).join() + [1, 2].map(x => x * 2)") for ctx in contexts]
            assert set(found) == {"1x,y2,4"}, found
            for ctx in reversed(contexts):
                ctx.close()
        print("done")
    """)
    assert out == "done"


def test_contexts_cost_the_same_one_after_the_other_and_side_by_side() -> None:
    alone, beside = map(
        float,
        output_of("""
            import resource
            from py_mini_racer import MiniRacer

            def new_pages():
                before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
                for _ in range(20):
                    MiniRacer().close()
                return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

            new_pages()
            print(new_pages())
            kept = MiniRacer()
            print(new_pages())
        """).split(),
    )
    assert alone < 1.5 * beside


def test_read_only_space_outlives_all_kinds_of_contexts() -> None:
    out = output_of("""
        import random
        from py_mini_racer import MiniRacer, Snapshot
        chance, snapshot = random.Random(3), None
        for turn in range(60):
            if turn % 7 == 0:
                snapshot = Snapshot.create(f"var at = {turn}; function f() {{ return new Map([[at, 'x'.repeat(3)]]).get(at) }}", warm_up="f()")
            contexts = [MiniRacer(snapshot=snapshot if chance.random() < 0.5 else None) for _ in range(turn % 3)]
            for ctx in contexts:
                assert ctx.eval("typeof f === 'undefined' ? 'xxx' : f()") == "xxx"
                assert ctx.new_realm().eval("JSON.stringify([1, {a: null}]) + Symbol.iterator.description") == '[1,{"a":null}]Symbol.iterator'
                ctx.eval("new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])); for (let i = 0; i < 1e4; i++) Math.sqrt(i)")
            chance.shuffle(contexts)
            for ctx in contexts:
                ctx.close()
        print("done")
    """)
    assert out == "done"


def test_snapshots_of_users_are_made_and_read_as_before() -> None:
    with MiniRacer() as one, MiniRacer() as two, MiniRacer(snapshot=Snapshot.create("var kept = [1, {a: 2}]")) as made:
        assert [ctx.eval(WORK) for ctx in (one, two, made, made.new_realm())] == [one.eval(WORK)] * 4
        assert made.new_realm().eval("JSON.stringify(kept)") == '[1,{"a":2}]'
        assert one.new_realm().eval("typeof kept") == "undefined"


@pytest.mark.parametrize("flags", ["--stress-compaction", "--gc-interval=300", "--stress-incremental-marking"])
def test_collections_at_any_time(flags: str) -> None:
    out = output_of(
        "import sys\nfrom py_mini_racer import MiniRacer, init_mini_racer\ninit_mini_racer(flags=sys.argv[1])\n"
        "with MiniRacer() as ctx:\n"
        "    work = ctx.eval(sys.argv[2])\n"
        "    for _ in range(15):\n"
        "        assert ctx.new_realm().eval(sys.argv[2]) == work\n"
        "    with MiniRacer() as other:\n"
        "        assert other.eval(sys.argv[2]) == work\n"
        "print('done')",
        flags,
        WORK,
    )
    assert out == "done"
