"""A document is rendered."""

import mistune

TEXT = (
    """# Title

Some *emphasis*, **strong** text, `code` and [a link](https://example.org "title").

- one
- two
  - nested

> quoted
> text

```python
print(1)
```
"""
    * 2
)


def work() -> object:
    return mistune.html(TEXT)
