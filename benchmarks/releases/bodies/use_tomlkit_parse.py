"""Sub-tables are parsed."""

import tomlkit

TEXT = "\n".join(f"[tool.part{i // 4}.sub{i}]\nname = 'x{i}'\nlist = [1, 2, {i}]\n" for i in range(10))


def work() -> object:
    return tomlkit.parse(TEXT)
