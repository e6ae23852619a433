"""Whether a test already existed at a commit; renamed test files are followed the way git does."""

from __future__ import annotations

import ast
import os
from pathlib import Path

from pytest_flame.git import Repository
from pytest_flame.temporary import owned_folder


def test_existed(repository: Repository, commit: str, file: Path, node_id: str) -> bool:
    """``file`` is the test's file in the checkout; only the names after ``::`` in ``node_id`` count.

    A file that cannot be parsed counts as containing the test: measuring is better than guessing.
    """
    path = file.resolve().relative_to(repository.top).as_posix()
    content = repository.blob(commit, path)
    if content is None:
        old = renamed_from(repository, commit, path)
        content = repository.blob(commit, old) if old else None
    if content is None:
        return False
    names = [part.partition("[")[0] for part in node_id.split("::")[1:]]
    try:
        return _defines(ast.parse(content), names)
    except (SyntaxError, ValueError):
        return True


test_existed.__test__ = False  # type: ignore[attr-defined]


def renamed_from(repository: Repository, commit: str, path: str) -> str | None:
    """The path that ``path`` of the working tree had at ``commit``, by git's content similarity."""
    gone = [p for p in repository.files(commit) if p.endswith(".py") and not (repository.top / p).exists()]
    if not gone or not (repository.top / path).is_file():
        return None
    with owned_folder() as folder:
        # A separate index and object store: the user's stay unchanged.
        (folder / "objects").mkdir()
        variables = {
            "GIT_INDEX_FILE": str(folder / "index"),
            "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(repository.common_dir() / "objects"),
        }
        repository.run("read-tree", commit, variables=variables)
        # Without the user's filters: they could only change line endings in Python sources.
        content = (repository.top / path).read_bytes().replace(b"\r\n", b"\n")
        hashing = ("hash-object", "--stdin", "--no-filters")
        oid = repository.run(*hashing, stdin=content).decode("ascii").strip()
        if repository.kind(oid) is None:  # rewriting an existing object would touch the user's
            repository.run(*hashing, "-w", stdin=content, variables=variables)
        removed = [f"0 {'0' * len(oid)}\t{p}\0" for p in gone]
        changes = os.fsencode("".join([*removed, f"100644 {oid}\t{path}\0"]))
        repository.run("update-index", "-z", "--index-info", stdin=changes, variables=variables)
        out = repository.run(
            *("diff-index", "--cached", "-M", "-z", "--diff-filter=R", "--name-status", commit), variables=variables
        )
    fields = [os.fsdecode(field) for field in out.split(b"\0")[:-1]]
    renames = {new: old for old, new in zip(fields[1::3], fields[2::3], strict=True)}
    return renames.get(path)


def _defines(module: ast.Module, names: list[str]) -> bool:
    body: list[ast.stmt] = module.body
    for name in names:
        found = _find(body, name)
        if found is None:
            # Inherited from a class elsewhere, or made by a decorator or an assignment: only running it could show.
            return name != names[0]
        body = found.body if isinstance(found, ast.ClassDef) else []
    return True


def _find(body: list[ast.stmt], name: str) -> ast.stmt | None:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and node.name == name:
            return node
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return node
        if isinstance(node, (ast.If, ast.Try, ast.With)):
            found = _find([n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)], name)
            if found is not None:
                return found
    return None
