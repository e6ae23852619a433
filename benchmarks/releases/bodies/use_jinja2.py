"""A page is rendered from a compiled template."""

from jinja2 import Environment

template = Environment(autoescape=True).from_string(
    "<ul>{% for user in users %}<li class={{ loop.cycle('odd', 'even') }}>{{ user.name|title }}: "
    "{{ user.tags|join(', ') }}{% if user.old %} (old){% endif %}</li>{% endfor %}</ul>"
)
USERS = [{"name": f"user <{i}>", "tags": ["a", "b", str(i)], "old": i % 3 == 0} for i in range(40)]


def work() -> object:
    return template.render(users=USERS)
