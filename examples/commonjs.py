"""npm's bundles inside MiniRacer: just enough of CommonJS to load them.

Bundles are written for Node's module convention: a file finds `module`, `exports` and `require` in its scope. Here a
file is evaluated inside a function with these parameters and runs when it is first required, as in Node. Modules are
found by the names they were defined with; there is no file system on the JavaScript side.
"""

from __future__ import annotations

import json
from pathlib import Path

from py_mini_racer import MiniRacer

REQUIRE = """
globalThis.require = (() => {
  const factories = new Map(), modules = new Map();
  const require = (name) => {
    if (!modules.has(name)) {
      if (!factories.has(name)) throw new Error(`no module named ${name}; define it first`);
      const module = { exports: {} };
      modules.set(name, module);  // before it runs, so that modules can require each other in a circle
      factories.get(name)(module, module.exports, require);
    }
    return modules.get(name).exports;
  };
  require.define = (name, factory) => { factories.set(name, factory); };
  return require;
})();
"""


def new_context(modules: dict[str, Path | str]) -> MiniRacer:
    """A context in which JavaScript can `require` each of `modules`: files, or source text."""
    context = MiniRacer()
    context.eval(REQUIRE)
    for name, module in modules.items():
        source = module.read_text(encoding="utf-8") if isinstance(module, Path) else module
        label = json.dumps(name)
        # On one line with the source, so that line numbers in error messages are those of the file.
        head = f"require.define({label}, function (module, exports, require) {{ "
        context.eval(f"{head}{source}\n}});\n//# sourceURL={name}")
    return context
