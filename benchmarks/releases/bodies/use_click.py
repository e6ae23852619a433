"""A command with a group above it, called as a test of it does."""

import click
from click.testing import CliRunner


@click.group()
@click.option("--verbose", is_flag=True)
def main(verbose: bool) -> None:
    """Top."""


@main.command()
@click.argument("name")
@click.option("--count", type=int, default=1, help="How often.")
@click.option("--shout/--no-shout", default=False)
@click.option("--colour", type=click.Choice(["red", "green", "blue"]), default="red")
def greet(name: str, count: int, shout: bool, colour: str) -> None:
    """Greet."""
    for _ in range(count):
        click.echo(name.upper() if shout else name)


def work() -> None:
    result = CliRunner().invoke(main, ["--verbose", "greet", "--count", "3", "--colour", "blue", "you"])
    assert result.exit_code == 0
