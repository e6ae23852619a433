"""A script is split into its statements."""

import sqlparse

SCRIPT = """
select o.id, o.total, c.name from orders o join customers c on c.id = o.customer where o.total > 100 order by 2 desc;
insert into log (at, what) values ('2024-01-01', 'it''s done');
update orders set state = case when total > 10 then 'big' else 'small' end where id in (select id from recent);
"""


def work() -> None:
    assert len(sqlparse.split(SCRIPT)) == 3
