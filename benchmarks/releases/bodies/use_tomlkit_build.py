"""A document is built and written."""

import tomlkit


def work() -> object:
    document = tomlkit.document()
    for i in range(6):
        table = tomlkit.table()
        for j in range(6):
            table.add(f"key{j}", [i, j, "text"])
        document.add(f"table{i}", table)
    return tomlkit.dumps(document)
