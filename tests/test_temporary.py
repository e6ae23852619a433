"""Folders of killed programs, and of running ones, which are left alone. Real processes, really killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pytest_flame.profiling.session import ProfileSession, ProfileSettings
from pytest_flame.temporary import owned_folder, remove_abandoned
from pytest_flame.trees.scratch import scratch_directory

OWNER = """
import sys
from pytest_flame.temporary import owned_folder
with owned_folder() as folder:
    (folder / "read-only").mkdir()
    (folder / "read-only" / "file").write_text("")
    (folder / "read-only").chmod(0o500)
    print(folder, flush=True)
    sys.stdin.read()
"""
MEMBER = """
import os, sys
from pytest_flame.profiling.session import ProfileSession, ProfileSettings
session = ProfileSession.create(ProfileSettings(997, "auto", root_pid=os.getpid()))
session.join()
print(session.folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made, here and in what is started."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.mark.parametrize("code", [OWNER, MEMBER], ids=["a run", "a profiled program"])
def test_a_folder_goes_when_its_owner_was_killed_and_not_before(code: str, place: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        try:
            assert owner.stdout is not None
            folder = Path(owner.stdout.readline().decode().strip())
            assert folder.parent == place
            os.utime(folder, (0, 0))
            assert remove_abandoned() == []
            assert folder.is_dir()
        finally:
            owner.kill()
    assert remove_abandoned() == [folder]
    assert list(place.iterdir()) == []


def test_it_goes_at_the_end_of_the_block(place: Path) -> None:
    with owned_folder() as folder:
        assert remove_abandoned() == []
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "a").chmod(0o500)
    assert list(place.iterdir()) == []


def test_every_run_and_every_profile_removes_what_others_left(place: Path) -> None:
    for start in (scratch_directory, lambda: None):
        left = place / "pytest-flame-left"
        left.mkdir()
        (left / "owner").touch()
        if start is scratch_directory:
            with scratch_directory():
                assert not left.exists()
        else:
            ProfileSession.create(ProfileSettings(997, "auto")).remove()
            assert not left.exists()


def test_somebody_elses_are_left_alone(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "owner").touch()
    (place / "pytest-flame-link").symlink_to(elsewhere)
    (place / "pytest-flame-without-a-lock").mkdir()
    (place / "pytest-flame-file").touch()
    (place / "another").mkdir()
    (place / "another" / "owner").touch()
    lock = place / "pytest-flame-lock-elsewhere"
    lock.mkdir()
    (lock / "owner").symlink_to(elsewhere / "owner")
    before = sorted(place.iterdir())
    assert remove_abandoned() == []
    left = place / "pytest-flame-left"
    left.mkdir()
    (left / "owner").touch()
    with monkeypatch.context() as context:
        context.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert remove_abandoned() == []
    assert remove_abandoned() == [left]
    assert sorted(place.iterdir()) == before
    assert (elsewhere / "owner").exists()


def test_a_session_that_is_being_handed_over_is_not_abandoned(place: Path) -> None:
    """By exec: the process exists and holds no lock, or its children continue a moment later."""
    folder = place / "pytest-flame-profile-x"
    folder.mkdir()
    (folder / "alive").touch()
    for root, quiet, goes in ((os.getpid(), True, False), (0, False, False), (0, True, True)):
        (folder / "settings.json").write_text(json.dumps({"root_pid": root}))
        os.utime(folder, (0, 0) if quiet else None)
        assert remove_abandoned() == ([folder] if goes else [])


def test_a_place_that_cannot_be_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert remove_abandoned() == []
