"""Pictures are pushed with the real git to a repository in a folder, which stands in for GitHub's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from forges import StandIn
from render.conftest import hostile, regressed, result
from repositories import Checkout

from pytest_flame.ci.pictures import Branch
from pytest_flame.git_program import GitError
from pytest_flame.model import RunResult
from pytest_flame.render.json import json_text
from pytest_flame.render.report import write_report

from .conftest import REPOSITORY, Flame

__all__ = ["hostile", "regressed", "result"]
BRANCH = "flame-pictures"


@pytest.fixture
def remote(tmp_path: Path) -> Checkout:
    """The repository on the server, with a branch of its own."""
    work = Checkout.init(tmp_path / "work")
    work.commit(readme="hello")
    bare = tmp_path / "server" / f"{REPOSITORY}.git"
    bare.parent.mkdir(parents=True)
    work.git("clone", "-q", "--bare", str(work.path), str(bare))
    return Checkout(bare)


@pytest.fixture
def branch(remote: Checkout) -> Branch:
    return Branch(f"file://{remote.path}", BRANCH, "https://forge.example/owner/shop/raw")


def folders(remote: Checkout) -> list[str]:
    return remote.git("ls-tree", "--name-only", BRANCH).split()


def test_the_first_pictures_make_the_branch(branch: Branch, remote: Checkout) -> None:
    before = remote.git("rev-parse", "main")
    address = branch.publish({"a.svg": b"<svg>1</svg>", "b.svg": b"<svg>2</svg>"})
    (folder,) = folders(remote)
    assert address == f"https://forge.example/owner/shop/raw/{BRANCH}/{folder}"
    assert remote.git("show", f"{BRANCH}:{folder}/b.svg") == "<svg>2</svg>"
    assert remote.git("rev-parse", "main") == before


def test_the_branch_has_no_history_and_keeps_the_newest(branch: Branch, remote: Checkout) -> None:
    addresses = [branch.publish({"a.svg": str(i).encode()}, kept=3) for i in range(5)]
    kept = folders(remote)
    assert len(kept) == 3 and addresses[-1].endswith(tuple(kept))
    assert remote.git("rev-list", "--count", BRANCH) == "1"
    assert remote.git("show", f"{BRANCH}:{addresses[-1].rpartition('/')[2]}/a.svg") == "4"


def test_another_job_that_pushes_at_the_same_time_loses_nothing(
    branch: Branch, remote: Checkout, tmp_path: Path
) -> None:
    """The first push of this one is refused, because the other has just pushed."""
    branch.publish({"a.svg": b"old"})
    other = tmp_path / "other"
    Checkout.init(other).git("fetch", "-q", f"file://{remote.path}", BRANCH)
    commit = Checkout(other).git("rev-parse", "FETCH_HEAD")
    added = Checkout(other).git("commit-tree", "-m", "theirs", f"{commit}^{{tree}}")
    Checkout(other).git("push", "-q", f"file://{remote.path}", f"{added}:refs/heads/theirs")
    # While the pushed commit arrives, the branch moves on.
    hook = remote.path / "hooks" / "pre-receive"
    done = tmp_path / "done"
    hook.write_text(
        f"#!/bin/sh\n[ -e {done} ] && exit 0\ntouch {done}\n"
        f"env -u GIT_QUARANTINE_PATH git update-ref refs/heads/{BRANCH} refs/heads/theirs\n"
    )
    hook.chmod(0o755)
    address = branch.publish({"a.svg": b"new"})
    assert done.exists() and len(folders(remote)) == 2
    assert remote.git("show", f"{BRANCH}:{address.rpartition('/')[2]}/a.svg") == "new"


def test_a_push_that_is_refused_is_an_error(branch: Branch, remote: Checkout) -> None:
    hook = remote.path / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho no right to push\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(GitError, match="git push failed") as raised:
        branch.publish({"a.svg": b"1"})
    assert "no right to push" in raised.value.why


def test_a_token_is_in_no_command_line_and_goes_to_this_remote_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "2")
    branch = Branch("https://forge.example/owner/shop.git", BRANCH, "", "secret")
    access = branch._access()
    assert access["GIT_CONFIG_COUNT"] == "3"
    assert access["GIT_CONFIG_KEY_2"] == "http.https://forge.example/owner/shop.git.extraHeader"
    assert "secret" not in str(access)
    assert Branch("file:///somewhere", BRANCH, "", "secret")._access() == {}


# --- in the comment -----------------------------------------------------------------------------------------------


@pytest.fixture
def reported(result: RunResult, tmp_path: Path, remote: Checkout, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A report with its result."""
    monkeypatch.setenv("GITHUB_SERVER_URL", f"file://{tmp_path}/server")
    folder = tmp_path / "report"
    write_report(result, folder)
    text = json_text(result).encode("utf-8", "surrogatepass").replace(b"\xed\xa0\x80", b"?")
    (folder / "result.json").write_bytes(text)
    return folder


def test_the_comment_shows_light_and_dark_pictures(
    on_github: StandIn, flame: Flame, reported: Path, remote: Checkout
) -> None:
    status, _, err = flame("comment", reported / "result.json", "--pictures", reported)
    assert (status, err) == (0, "")
    body = on_github.body(1000)
    addresses = re.findall(rf'(?:src|srcset)="[^"]*/raw/{BRANCH}/([^"]+)"', body)
    assert [address.rpartition(".")[0].rpartition(".")[2] for address in addresses] == ["dark", "diff"]
    for address in addresses:
        assert remote.git("show", f"{BRANCH}:{address}").startswith("<svg")
    light, dark = (remote.git("show", f"{BRANCH}:{address}") for address in reversed(addresses))
    assert light != dark and "<script" not in light + dark


def test_pictures_of_a_private_repository_stay_where_they_are(
    on_github: StandIn, flame: Flame, reported: Path, remote: Checkout
) -> None:
    on_github.private = True
    status, out, err = flame("comment", reported / "result.json", "--pictures", reported)
    assert status == 0 and out.startswith("flame comment: written")
    assert "warning: the comment has no pictures: the repository is not public" in err
    assert remote.git("branch", "--list", BRANCH) == "" and "<picture>" not in on_github.body(1000)


def test_without_pictures_the_comment_is_written_all_the_same(
    on_github: StandIn, flame: Flame, reported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", "file:///nowhere")
    status, out, err = flame("comment", reported / "result.json", "--pictures", reported)
    assert status == 0 and out.startswith("flame comment: written")
    assert "warning: the comment has no pictures: git ls-remote failed" in err


def test_a_run_without_regressions_pushes_nothing(
    on_github: StandIn, flame: Flame, reported: Path, remote: Checkout
) -> None:
    for path in reported.glob("*.dark.svg"):
        path.unlink()
    flame("comment", reported / "result.json", "--pictures", reported)
    assert remote.git("branch", "--list", BRANCH) == ""


def test_gitlab_takes_no_pictures(on_gitlab: StandIn, flame: Flame, reported: Path) -> None:
    assert flame("comment", reported / "result.json", "--pictures", reported)[0] == 2
