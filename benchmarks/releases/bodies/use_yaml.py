"""A document is loaded by the pure Python loader."""

import yaml

TEXT = "\n".join(f"- name: item {i}\n  values: [1, 2.5, true, null]\n  nested: {{a: b, c: 'd'}}" for i in range(6))


def work() -> object:
    return yaml.load(TEXT, yaml.SafeLoader)
