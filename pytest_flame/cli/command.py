"""The command line: ``flame --help``, and the function of each command."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from pytest_flame.errors import FlameError
from pytest_flame.formats import registry
from pytest_flame.quantities import parse_percent

TROUBLE: Final = 2
"""Exit status if nothing could be drawn or compared."""

_DESCRIPTION: Final = (
    "Flame graphs of profiles and of the changes between them; what a run of the gate found, and which commit did it."
)
_EPILOG: Final = """\
Reads folded stacks, one line per stack (frame;frame;frame count), output of perf script, and speedscope's JSON, also
gzipped. They come from perf, py-spy (--format raw or speedscope), Austin, CPython's profiling.sampling --collapsed,
pyinstrument -r speedscope, memray transform speedscope, async-profiler, the stackcollapse scripts of FlameGraph,
FLAME_PROFILE and the baselines of pytest-flame. - is standard input.

examples:
  flame draw out.folded -o out.svg
  perf script | flame draw - -o out.html
  flame diff before.folded after.folded -o diff.html
  flame diff --before main/*.folded --after branch/*.folded -o diff.html --fail-on-regression
  flame bisect v1.4 HEAD -- tests/test_checkout.py::test_total
  flame explain result.json test_total
  flame init --dry-run
"""
_DRAW: Final = """\
examples:
  flame draw out.folded -o out.svg                       interactive, opens in a browser
  flame draw out.folded -o out.svg --static              without script, for a pull request
  flame draw run1.folded run2.folded -o out.html         summed, as a page
  flame draw runs/ -o out.speedscope.json                every profile of a folder, for speedscope
  py-spy record --format raw -o p.txt -- python app.py && flame draw p.txt -o p.svg
  FLAME_PROFILE=p.folded python app.py && flame draw p.folded --unit ns -o p.svg
  perf script | flame draw - -o out.svg -o out.html      of perf record -g
"""
_DIFF: Final = """\
One profile per side is drawn and not tested: its noise is not known. With three or more per side, each profile counts
as one process, and total and functions are tested the way pytest-flame tests them. Profiles have to be of the same
work: the same program, the same input.

examples:
  flame diff before.folded after.folded -o diff.svg      what differs, not tested
  flame diff before/ after/ -o diff.html                 all profiles of two folders, tested
  flame diff --before b1.txt b2.txt b3.txt --after a1.txt a2.txt a3.txt --paired
  flame diff before/ after/ --threshold 10% --fail-on-regression
  difffolded.pl b.folded a.folded | flame diff --two-counts - -o diff.svg

exit status: 0; 1 with --fail-on-regression if something is slower (with --strict also if that is not clear);
2 if nothing could be compared
"""


_EXPLAIN: Final = """\
RESULT is what pytest --flame --flame-json=RESULT wrote. Without TEST, the run and its tests, failing ones first; with
it, that test's verdict, the function to blame, the evidence, and the next command. TEST is a test's id, or a part that
only one id has. Always fewer than 4,000 characters.

examples:
  flame explain result.json
  flame explain result.json test_total
  flame explain result.json 'tests/test_sql.py::test_parse[long]'

exit status: 0; 2 if there is no such file or test
"""
_BISECT: Final = """\
GOOD and BAD are commits, GOOD an ancestor of BAD. TEST is one test measured by pytest-flame, marked @pytest.mark.flame
in the checkout: its tests are used at every commit, only what they test is that commit's. After -- come pytest's
arguments, options included.

At a commit where TEST provably executes the same code as at one that is decided, nothing is measured. The others are
measured against GOOD, in pairs of fresh processes. Commits that can't be built, where TEST fails, or that stay unclear
are skipped. --flame-alpha is the probability that the whole search errs. Merges count as one commit (first parents).

examples:
  flame bisect v1.4 HEAD -- tests/test_checkout.py::test_total
  flame bisect HEAD~50 HEAD -- 'tests/test_sql.py::test_parse[long]' --flame-threshold=10%
  flame bisect v1.4 v1.5 --json found.json -- tests/test_fast.py::test_sum --flame-base-install='pip install .'

exit status: 0 if the first slow commit was found; 1 if BAD is not shown to be slower than GOOD; 2 if nothing could be
measured; 3 if the first slow commit is one of several, of which all but one were skipped
"""
_COMMENT: Final = """\
RESULT is what pytest wrote with --flame-json; on GitHub it is also flame-report/result.json. The comment is written
from its figures, so a result of a job that ran a stranger's code can do no more than say something wrong.

On GitHub it needs GITHUB_TOKEN with permissions: pull-requests: write, on GitLab GITLAB_TOKEN with the scope api. If
the comment cannot be written, a warning says why and what to do, and GitHub's job summary has the text; the exit status
is 0.

examples:
  flame comment flame-report/result.json
  flame comment flame-report/result.json --report-url https://ci.example/report/index.html
  flame comment flame-report/result.json --pictures flame-report
  flame comment result.json --name 'Python 3.13'         one comment for each job of a matrix
"""


_MERGE: Final = """\
Each run measures a part of the tests with the same options, on a machine of its own, and writes its result:
  pytest --flame-only --flame-against=origin/main --flame-shard=2/5 --flame-json=2/result.json --flame-report=2/report

A shard that is missing, given twice, or from another run is an error: its tests would pass unseen. Pictures are found
where each result says its report is, relative to the result. The accepted rate of false alarms is divided among the
shards: it is that of the whole run.

examples:
  flame merge */result.json --report flame-report --markdown flame.md --json flame.json
  flame merge shard-*/flame.json --strict

exit status: 0; 1 if a test failed in some shard, or a run was interrupted; 2 if the results could not be joined
"""
_INIT: Final = """\
Looks at the project and writes what it needs, and only that: settings in the file that pytest reads, a line in
.gitignore, a CI job. Nothing that is there is replaced; a second run changes nothing.

examples:
  flame init --dry-run           shows what would be written, as a diff
  flame init
  flame init services/shop --ci=gitlab
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; errors go to stderr."""
    parsed = parser().parse_args(arguments)
    try:
        status: int = parsed.run(parsed)
        sys.stdout.flush()
        return status
    except FlameError as e:
        _say(f"flame {parsed.command}: error: {e}")
        return TROUBLE
    except BrokenPipeError:
        _leave_stdout()  # the reader of the output has closed it
        return TROUBLE
    except OSError as e:  # a full disk on standard output, an unreadable folder
        place = f"{e.filename}: " if e.filename else ""
        _say(f"flame {parsed.command}: error: {place}{e.strerror or e}")
        _leave_stdout()
        return TROUBLE
    except MemoryError:
        _say(
            f"flame {parsed.command}: error: out of memory\n  fix: give fewer or smaller profiles, or lower --max-size"
        )
        return TROUBLE
    except KeyboardInterrupt:
        return 130


def _say(text: str) -> None:
    """Names come from files and may contain anything; no control characters reach the terminal."""
    from pytest_flame.render.text import printable_lines

    print("\n".join(printable_lines(text)), file=sys.stderr)


def _leave_stdout() -> None:
    """Otherwise the failed write would fail again when Python exits, with a different exit status."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser() -> argparse.ArgumentParser:
    whole = _Parser("flame", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=_Formatter)
    whole.add_argument("--version", action=_Version)
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_draw(commands)
    _add_diff(commands)
    _add_bisect(commands)
    _add_merge(commands)
    _add_comment(commands)
    _add_schema(commands)
    _add_explain(commands)
    _add_init(commands)
    return whole


def _add_draw(commands: Any) -> None:
    text = "draw a flame graph of a profile, or of the sum of several"
    draw = commands.add_parser(
        "draw", help=text, description=f"{_sentence(text)}", epilog=_DRAW, formatter_class=_Formatter
    )
    draw.add_argument(
        "files", nargs="+", metavar="FILE", help="a profile; a folder: all profiles in it; -: standard input"
    )
    _add_output(draw, "svg, html", required=True)
    _add_reading(draw, threads="shown")
    draw.set_defaults(run=_lazily("draw"))


def _add_diff(commands: Any) -> None:
    text = "compare profiles before and after a change"
    diff = commands.add_parser("diff", help=text, description=_sentence(text), epilog=_DIFF, formatter_class=_Formatter)
    diff.add_argument(
        "sides", nargs="*", metavar="BEFORE AFTER", help="one profile each, or one folder of profiles each"
    )
    diff.add_argument("--before", nargs="+", metavar="FILE", help="several profiles from before the change")
    diff.add_argument("--after", nargs="+", metavar="FILE", help="several profiles from after the change")
    diff.add_argument(
        "--two-counts", metavar="FILE", help="one file for both: every line ends in two counts, before and after"
    )
    _add_output(diff, "svg, html, md", required=False)
    diff.add_argument(
        "--width",
        choices=("max", "before", "after"),
        default="max",
        help="the width of a box in a picture (default: max, the larger of both, which also shows what has gone)",
    )
    _add_reading(diff, threads="left out")
    tests = diff.add_argument_group("tests")
    tests.add_argument(
        "--threshold", type=_percent, default=0.05, metavar="PCT", help="tolerated slowdown of the whole (default: 5%%)"
    )
    tests.add_argument(
        "--frame-threshold",
        type=_percent,
        default=0.02,
        metavar="PCT",
        help="tolerated growth of one function, in percent of the whole before (default: 2%%)",
    )
    tests.add_argument(
        "--alpha", type=_alpha, default=0.01, metavar="P", help="accepted rate of false alarms (default: 0.01)"
    )
    tests.add_argument(
        "--paired", action="store_true", help="the profiles were recorded alternately: pair them in order"
    )
    tests.add_argument(
        "--shares",
        action="store_true",
        help="scale all profiles to the same sum, for the same time but not the same work; the total is not tested",
    )
    tests.add_argument("--fail-on-regression", action="store_true", help="exit status 1 if something is slower")
    tests.add_argument("--strict", action="store_true", help="with --fail-on-regression: also if that is not clear")
    diff.set_defaults(run=_lazily("diff"))


def _add_bisect(commands: Any) -> None:
    text = "find the commit that made a test slower"
    bisect = commands.add_parser(
        "bisect",
        help=text,
        usage="%(prog)s [-h] [--json FILE] GOOD BAD -- TEST [PYTEST-OPTION ...]",
        description=_sentence(text),
        epilog=_BISECT,
        formatter_class=_Formatter,
    )
    bisect.add_argument("good", metavar="GOOD", help="a commit at which the test is not slow yet")
    bisect.add_argument("bad", metavar="BAD", help="a later commit at which it is slow")
    bisect.add_argument("arguments", nargs="+", metavar="TEST", help="pytest's arguments: one test, and options")
    bisect.add_argument("--json", metavar="FILE", help="write the result to FILE, too")
    bisect.set_defaults(run=_lazily("bisect"))


def _add_merge(commands: Any) -> None:
    text = "join the results of runs that shared the tests (--flame-shard)"
    merge = commands.add_parser(
        "merge", help=text, description=_sentence(text), epilog=_MERGE, formatter_class=_Formatter
    )
    merge.add_argument("results", nargs="+", metavar="RESULT", help="what --flame-json wrote; one file for each shard")
    merge.add_argument("--json", metavar="FILE", help="write the whole result to FILE")
    merge.add_argument("--markdown", metavar="FILE", help="write a summary for a pull request comment to FILE")
    merge.add_argument("--report", metavar="DIR", help="write one page, with the pictures of all reports, to DIR")
    merge.add_argument("--strict", action="store_true", help="tests that could not be judged count as failed")
    merge.add_argument(
        "--require-covered",
        action="store_true",
        help="fail if a changed function is not known to be run by any selected test of any shard",
    )
    merge.set_defaults(run=_lazily("merge"))


def _add_comment(commands: Any) -> None:
    text = "write a run's summary as a comment on its pull request, or update it"
    comment = commands.add_parser(
        "comment", help=text, description=_sentence(text), epilog=_COMMENT, formatter_class=_Formatter
    )
    comment.add_argument("result", metavar="RESULT", help="a result of pytest --flame-json")
    forge = comment.add_mutually_exclusive_group()
    forge.add_argument("--github", dest="forge", action="store_const", const="github", help="on GitHub")
    forge.add_argument("--gitlab", dest="forge", action="store_const", const="gitlab", help="on GitLab")
    comment.add_argument(
        "--pull-request",
        type=int,
        metavar="NUMBER",
        help="the pull request, or merge request (default: the one that the job belongs to)",
    )
    comment.add_argument("--name", default="", help="tells the comments of several jobs apart; shown in the comment")
    comment.add_argument("--report-url", type=_url, metavar="URL", help="where the report can be opened")
    comment.add_argument(
        "--pictures",
        metavar="DIR",
        help="GitHub, public repositories: the report directory. The differential flame graphs of the three worst "
        "regressions are pushed to a branch and shown in the comment; needs permissions: contents: write",
    )
    comment.add_argument(
        "--pictures-branch",
        default="flame-pictures",
        metavar="NAME",
        help="the branch; it has no history and keeps the pictures of 50 runs (default: flame-pictures)",
    )
    comment.set_defaults(run=_lazily("comment"))


def _add_schema(commands: Any) -> None:
    text = "print the JSON schema of the result that pytest --flame-json writes"
    schema = commands.add_parser("schema", help=text, description=_sentence(text))
    schema.set_defaults(run=_lazily("schema"))


def _add_explain(commands: Any) -> None:
    text = "say what a run of pytest --flame found, and what to do next"
    explain = commands.add_parser(
        "explain", help=text, description=_sentence(text), epilog=_EXPLAIN, formatter_class=_Formatter
    )
    explain.add_argument("result", metavar="RESULT", help="the file that --flame-json wrote")
    explain.add_argument("test", nargs="?", metavar="TEST", help="a test's id, or a part that only one id has")
    explain.set_defaults(run=_lazily("explain"))


def _add_init(commands: Any) -> None:
    text = "set up the gate for a project: settings, .gitignore, CI job"
    init = commands.add_parser("init", help=text, description=_sentence(text), epilog=_INIT, formatter_class=_Formatter)
    init.add_argument("directory", nargs="?", default=".", metavar="DIR", help="the project's folder (default: .)")
    init.add_argument("--dry-run", action="store_true", help="write nothing; show what would be written, as a diff")
    init.add_argument(
        "--ci", choices=("github", "gitlab", "none"), help="which CI job to write (default: what the project uses)"
    )
    init.set_defaults(run=_lazily("init"))


def _add_output(command: argparse.ArgumentParser, shown: str, *, required: bool) -> None:
    known = ", ".join([shown, *registry.written()])
    group = command.add_argument_group("results")
    group.add_argument(
        "-o",
        "--output",
        action="append",
        required=required,
        default=None if required else [],
        metavar="FILE",
        help=f"where to write; the suffix gives the format: {known}; may be repeated; - is standard output",
    )
    group.add_argument(
        "--format", choices=("svg", "html", "markdown", *registry.written()), help="whatever the suffix says"
    )
    group.add_argument("--static", action="store_true", help="an SVG without script, as pull requests show it anyway")
    group.add_argument("--title", help="the title above the picture (default: the file's name)")


def _add_reading(command: argparse.ArgumentParser, *, threads: str) -> None:
    group = command.add_argument_group("reading")
    group.add_argument(
        "--unit",
        type=_unit,
        help="the unit of the counts: samples, ns, us, ms, s, or a word such as bytes (default: samples; "
        "a baseline of pytest-flame and a speedscope file contain it)",
    )
    group.add_argument(
        "--metric",
        metavar="NAME",
        help="the metric to read from a file that has several: an event of perf, a profile or unit of speedscope",
    )
    group.add_argument(
        "--max-size",
        type=_size,
        default="256M",
        metavar="SIZE",
        help="limit for a decompressed file and for a JSON document; different stacks may take four times that "
        "(default: 256M)",
    )
    group.add_argument(
        "--names",
        choices=("function", "written"),
        default="function",
        help="function (default): line numbers and addresses are not part of a name, so a function is one frame; "
        "written: as written in the file",
    )
    group.add_argument(
        "--threads",
        action=argparse.BooleanOptionalAction,
        help=f"frames that name a thread or a process by its number (default: {threads})",
    )
    group.add_argument(
        "--strip",
        action="append",
        metavar="DIR",
        help="make paths relative to this folder, such as a checkout; may be repeated",
    )


def _lazily(module: str) -> Callable[[argparse.Namespace], int]:
    """The command with its imports, which ``--help`` does not need."""

    def run(arguments: argparse.Namespace) -> int:
        from importlib import import_module

        status: int = import_module(f"pytest_flame.cli.{module}").run(arguments)
        return status

    return run


class _Parser(argparse.ArgumentParser):
    """Reports an invalid argument without its control characters."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        _say(f"{self.prog}: error: {message}")
        self.exit(TROUBLE)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of examples."""


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"flame {version('pytest-flame')}")
        parser.exit()


def _unit(text: str) -> object:
    from pytest_flame.cli.counted import parse_unit

    try:
        return parse_unit(text)
    except FlameError as e:
        raise argparse.ArgumentTypeError(f"{e.what}; {e.why}") from e


def _size(text: str) -> int:
    from pytest_flame.formats.content import parse_size

    try:
        return parse_size(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"{e}; expected one such as 512M or 2G") from e


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s<>()\"'\\`]+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a web address")
    return text


def _percent(text: str) -> float:
    try:
        return parse_percent(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"{e}; expected one such as 5%") from e


def _alpha(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 0.5:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number between 0 and 0.5")
    return value


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
