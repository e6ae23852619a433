"""sqlparse at work on a script with joins, conditions, definitions and insertions."""

from __future__ import annotations

import pytest
import sqlparse

SCRIPT = "\n".join(
    f"""CREATE TABLE item{i} (id INTEGER PRIMARY KEY, name VARCHAR(40) NOT NULL, price DECIMAL(10, 2) DEFAULT 0.0);
SELECT a.id, a.name AS label, COUNT(b.id) AS n, CASE WHEN a.price > {i}.5 THEN 'dear' ELSE 'cheap' END AS class
FROM item{i} a LEFT JOIN orders b ON a.id = b.item_id AND (b.state IN ('open', 'paid') OR b.total >= 10 * {i})
WHERE a.name LIKE 'x%' AND a.id BETWEEN {i} AND {i}00 -- only ours
GROUP BY a.id, a.name HAVING COUNT(b.id) > 3 ORDER BY n DESC, a.name LIMIT 50;
INSERT INTO log (who, what) VALUES ('me', 'seen'), ('you', 'done');
"""
    for i in range(8)
)
SHORT = SCRIPT[: len(SCRIPT) // 4]


@pytest.mark.flame
def test_split() -> None:
    assert len(sqlparse.split(SCRIPT)) == 24


@pytest.mark.flame
def test_format() -> None:
    assert "ORDER BY" in sqlparse.format(SHORT, reindent=True, keyword_case="upper")
