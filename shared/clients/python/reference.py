"""Writes the reference in README.md from the docstrings of the client; --check only says whether it is stale."""

from __future__ import annotations

import inspect
import pathlib
import re
import sys
from typing import Any, List

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import aiwm_chat  # noqa: E402

README = HERE / "README.md"
BEGIN, END = "<!-- reference -->\n", "<!-- end of reference -->"


def text(it: Any) -> str:
    found = inspect.getdoc(it) or ""
    found = re.sub(r":(?:class|meth):`(?:\w+\.)?(\w+)`", r"`\1`", found)
    return found.replace("``", "`")


def signature(it: Any) -> str:
    found = inspect.signature(it)
    plain = [p.replace(annotation=p.empty) for name, p in found.parameters.items() if name != "self"]
    return str(inspect.Signature(plain))


def reference() -> str:
    lines: List[str] = []
    for name in aiwm_chat.__all__:
        kind = getattr(aiwm_chat, name)
        shown = "" if issubclass(kind, Exception) else signature(kind) if name == "Agent" else ""
        lines += [f"### {name}", ""] + ([f"`{name}{shown}`", ""] if shown else []) + [text(kind), ""]
        for method, it in vars(kind).items():
            if method.startswith("_") or not (inspect.isfunction(it) or isinstance(it, property)):
                continue
            if isinstance(it, property):
                lines += [f"- `{method}`: {' '.join(text(it).split())}"]
            else:
                waits = "await " if inspect.iscoroutinefunction(it) else ""
                lines += [f"- `{waits}{method}{signature(it)}`: {' '.join(text(it).split())}"]
        if lines[-1]:
            lines.append("")
    return "\n".join(lines)


def main() -> int:
    page = README.read_text()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    new = f"{before}{BEGIN}\n{reference()}\n{END}{after}"
    if "--check" in sys.argv:
        if new != page:
            print("the reference in README.md is stale: python3 reference.py")
        return int(new != page)
    README.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
