"""Names are not trusted: whatever they contain, nothing of it runs, loads, or becomes markup."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chromium import Visit, expect, open_all

from pytest_flame.model import Frame, Judgement, Recording, RunResult, SourceLine, Verdict
from pytest_flame.render.report import write_report

EVIL = (
    "<script>window.owned=1</script>",
    "</script><script>window.owned=1</script>",
    "<img src=x onerror=window.owned=1>",
    '"><svg onload=window.owned=1>',
    "' autofocus onfocus=window.owned=1 x='",
    "javascript:window.owned=1",
    "{{ 7*7 }}${window.owned=1}`${owned=1}`",
    "--><!-- <!--<script>",
    "]]><script>window.owned=1</script>",
    "&lt;script&gt;&#60;script&#62;",
    "\u202egnp.exe\u2066\u0000\u001b[31m\ud800\n\r\u2028\ufeff",
    "../../../../etc/passwd",
    "%3Cscript%3E%00",
    "__proto__",
    "constructor",
    "toString",
    "",
)


def evil(words: str) -> str:
    return words + EVIL[0] + EVIL[2] + EVIL[3]


def tree_of_evil() -> str:
    """In the notation of the simulated recordings: one function per name, all called by the test."""
    names = [re.sub(r"\s", " ", name).strip() or "x" for name in EVIL]
    rows = [
        f"  {module}:{name} {1000 + number} {1500 + number}"
        for number, name in enumerate(names)
        for module in ("m", name.replace(":", ""))
    ]
    return "\n".join(["tests.test_evil:test 40 40", *rows])


@pytest.fixture(scope="module")
def judgement(make_judgement: Any) -> Judgement:
    text = tree_of_evil()
    made = make_judgement(
        evil("tests/test_evil.py::t["), Verdict.REGRESSED, text, evil("reason"), culprits={f"m:{EVIL[2]}": 400}
    )
    places = {frame: SourceLine(evil("src/") + ".py", 3) for stack in made.head.processes[0].stacks for frame in stack}

    def placed(recording: Recording) -> Recording:
        return replace(recording, lines=places)

    whole: Judgement = replace(
        made,
        base=placed(made.base),
        head=placed(made.head),
        details=evil("details\n"),
        notes=(evil("note"),),
        base_commit=evil("1a2b3c4"),
    )
    return whole


@pytest.fixture(scope="module")
def evil_report(judgement: Judgement, result: RunResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert result.sampler
    run = replace(
        result,
        judgements=(judgement,),
        notes=(evil("note"),),
        base_commit=evil("1a2b3c4"),
        base_source=evil("main"),
        sampler=replace(result.sampler, reason=evil("EPERM")),
    )
    return write_report(run, tmp_path_factory.mktemp("evil"))


def assert_tame(page: Any) -> None:
    assert page.evaluate("window.owned") is None
    made = page.evaluate(
        """() => {
            const all = [...document.querySelectorAll("*")], text = one => one.outerHTML.slice(0, 99);
            const has = (one, test) => [...one.attributes].some(attribute => test(attribute.name.toLowerCase()));
            const links = ["href", "src", "xlink:href", "action", "formaction"];
            return {
                scripts: all.filter(one => one.localName === "script" && !/json|octet/.test(one.type)).length,
                foreign: all.filter(one => one.matches("img, iframe, object, embed, base, form")).map(text),
                handlers: all.filter(one => has(one, name => name.startsWith("on"))).map(text),
                addresses: all.flatMap(one => links.map(name => one.getAttribute(name)).filter(Boolean)),
            };
        }"""
    )
    assert made["scripts"] == 1
    assert made["foreign"] == []
    assert made["handlers"] == []
    for address in made["addresses"]:
        assert re.fullmatch(r"#[\w-]+|[\w.-]+\.svg|data:,|(https?|vscode)://.*|file:.*", address), address


def test_hostile_names_do_nothing(visit: Visit, evil_report: Path) -> None:
    page = visit(evil_report)
    open_all(page)
    expect(page.locator(".main-stage canvas")).to_have_attribute("data-drawn", re.compile(r"\d+"))
    assert_tame(page)


def test_hostile_names_do_nothing_wherever_they_are_shown(visit: Visit, evil_report: Path) -> None:
    """Each function is chosen, zoomed to, searched for and reopened by the address its zoom has."""
    page = visit(evil_report)
    section = page.locator("details.test")
    canvas = section.locator(".main-stage canvas")
    expect(canvas).to_have_attribute("data-drawn", re.compile(r"\d+"))
    functions = section.locator(".viewer table.frames tbody button")
    count = functions.count()
    assert count > len(EVIL)
    for number in range(0, count, 3):
        functions.nth(number).click()
        section.get_by_role("tab", name="Callers and callees").click()
        section.get_by_role("tab", name="Functions").click()
    for name in (EVIL[0], EVIL[2], EVIL[7], "__proto__"):
        section.get_by_role("searchbox", name="Search frames").fill(re.escape(name))
        section.get_by_role("searchbox", name="Search frames").press("Enter")
        section.get_by_role("searchbox", name="Search frames").press("Escape")
        canvas.focus()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
    assert_tame(page)
    fragment = page.evaluate("location.hash")
    assert_tame(visit(evil_report, fragment))


def test_hostile_names_are_shown_as_they_are_without_scripts(visit: Visit, evil_report: Path) -> None:
    page = visit(evil_report, scripts=False)
    open_all(page)
    expect(page.locator("body")).to_contain_text("<img src=x onerror=window.owned=1>")
    expect(page.locator("body")).not_to_contain_text("49$")


def test_pictures_of_hostile_names_are_tame(visit: Visit, evil_report: Path) -> None:
    files = sorted(evil_report.parent.glob("*.svg"))
    assert files
    for file in files:
        page = visit(file)
        assert page.evaluate("window.owned") is None
        assert page.evaluate("document.querySelectorAll('img, iframe, object, embed').length") == 0
        assert (
            page.evaluate("[...document.querySelectorAll('[href], [*|href]')].map(one => one.getAttribute('href'))")
            == []
        )


def test_only_the_pages_own_script_runs(visit: Visit, report: Path, tmp_path: Path) -> None:
    """Anything that got into the page nevertheless is stopped by the page's own policy."""
    text = report.read_text(encoding="utf-8")
    smuggled = (
        "<script>window.owned = 1</script><img src=x onerror='window.owned = 1'>"
        "<a id=bait href='javascript:owned=1'>x</a>"
    )
    page_file = tmp_path / "index.html"
    page_file.write_text(text.replace("</main>", f"{smuggled}</main>"), encoding="utf-8")
    visit.allow("Content Security Policy|violates|request: file:.*/x$|ERR_FILE_NOT_FOUND")
    page = visit(page_file)
    page.locator("#bait").click()
    expect(page.locator(".filter output")).to_have_text("9 tests")
    assert page.evaluate("window.owned") is None


def test_nothing_is_ever_sent(visit: Visit, report: Path, tmp_path: Path) -> None:
    """The policy refuses what no page of ours requests: another file or host, a form, a frame."""
    page = visit(report)
    visit.allow("Content Security Policy|violates|Refused|request: https?://localhost")
    refused = page.evaluate(
        """async () => {
            const image = source => new Promise((done, fail) => {
                Object.assign(new Image(), { onload: done, onerror: fail, src: source });
            });
            const host = "http://localhost:9/";
            const tries = [() => fetch(host), () => fetch("index.html"), () => image(`${host}x.png`)];
            const results = [];
            for (const one of tries) results.push(await one().then(() => "allowed", () => "refused"));
            return results;
        }"""
    )
    assert refused == ["refused"] * 3


def test_frames_keep_their_names() -> None:
    """The hostile tree contains what it should."""
    assert Frame.parse("m:<script>").qualname == "<script>"
    assert all(re.sub(r"\s", " ", name).strip() in tree_of_evil() for name in EVIL)
