"""The file a library was really mapped from, and the sources of names for its functions.

A path is only a claim: the file may have been replaced since, or belong to another container. The build-id in the
process's memory decides; without one, the inode.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from pytest_flame.sampling.symbols.cache import cache_root
from pytest_flame.sampling.symbols.image import Image, NotElf, read_image
from pytest_flame.sampling.symbols.loaded import loaded_file
from pytest_flame.sampling.symbols.mappings import Mapping
from pytest_flame.sampling.symbols.memory import Memory

DEBUG_ROOTS: Final = (Path("/usr/lib/debug"),)
_VDSO_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class MappedFile:
    """An open, verified ELF file (or the copy of one from memory). ``status`` is None if it is not a file."""

    stream: BinaryIO
    image: Image
    path: Path | None
    status: os.stat_result | None


def open_mapped(mapping: Mapping, pid: int | str = "self") -> MappedFile:
    """The mapped file. Raises ``OSError`` or ``NotElf`` if it is gone, replaced, or not an ELF file."""
    if mapping.path == "[vdso]":
        with Memory(pid) as memory:
            content = memory.read(mapping.start, min(mapping.end - mapping.start, _VDSO_BYTES))
        image = read_image(lambda offset, size: content[offset : offset + size])
        return MappedFile(io.BytesIO(content), image, None, None)
    if not mapping.path.startswith("/"):
        raise NotElf(f"{mapping.path or 'anonymous memory'} is no file")
    mapped = mapped_image(mapping, pid)
    root = "" if pid == "self" else f"/proc/{pid}/root"
    reasons = []
    # The second is the mapped file whatever happened to its name, for those who may open it.
    for path in (f"{root}{mapping.path}", f"/proc/{pid}/map_files/{mapping.start:x}-{mapping.end:x}"):
        try:
            source = open_file(Path(path))
        except (OSError, NotElf) as e:
            reasons.append(f"{path}: {e}")
            continue
        if _same(source, mapping, mapped):
            return source
        source.stream.close()
        reasons.append(f"{path} is not what is mapped: it was replaced since")
    if mapped is None or mapping.base is None:
        raise NotElf("; ".join(reasons))
    with Memory(pid) as memory:
        content = loaded_file(memory.read, mapping.base, mapped)
    return MappedFile(io.BytesIO(content), mapped, None, None)


def open_file(path: Path) -> MappedFile:
    """The ELF file at ``path``, unverified. Raises ``OSError`` or ``NotElf``."""
    stream = path.open("rb")
    try:
        image = read_image(lambda offset, size: os.pread(stream.fileno(), size, offset))
        return MappedFile(stream, image, path, os.fstat(stream.fileno()))
    except BaseException:
        stream.close()
        raise


def mapped_image(mapping: Mapping, pid: int | str = "self") -> Image | None:
    """What the image in memory says about itself; None if its header is not mapped or not readable."""
    base = mapping.base
    if base is None:
        return None
    try:
        with Memory(pid) as memory:
            return read_image(lambda offset, size: memory.read(base + offset, size), loaded=True)
    except (OSError, NotElf):
        return None


def _same(source: MappedFile, mapping: Mapping, mapped: Image | None) -> bool:
    if mapped is not None and mapped.build_id is not None:
        return source.image.build_id == mapped.build_id
    # Not the device: overlay file systems show a different one in the maps than stat(2) does.
    same_inode = source.status is not None and source.status.st_ino == mapping.inode
    return same_inode and (mapped is None or source.image == mapped)


def describe(source: MappedFile, link: str) -> str:
    """What an incomplete table was built from: the library's size (a stripped copy is smaller) and the existing debug
    files, so that one installed later is noticed."""
    assert source.status is not None
    lines = [f"{source.status.st_size}"]
    for place in debug_candidates(source, link):
        status = place.stat()
        lines.append(f"{place} {status.st_size} {status.st_mtime_ns}")
    return "\n".join(lines)


def debug_candidates(source: MappedFile, link: str) -> list[Path]:
    """Existing files that may contain the symbols of the library, the most likely first. Unverified. ``link`` is the
    name the library gives (GDB manual, "Debugging Information in Separate Files"). Nothing is downloaded; debuginfod's
    cache is used."""
    places: list[Path] = []
    build_id = source.image.build_id
    if build_id is not None and len(build_id) > 1:
        text = build_id.hex()
        places += [root / ".build-id" / text[:2] / f"{text[2:]}.debug" for root in DEBUG_ROOTS]
        places += [cache / text / "debuginfo" for cache in _debuginfod_caches()]
    if link and source.path is not None:
        folder = Path(os.path.realpath(source.path)).parent
        places += [folder / link, folder / ".debug" / link]
        places += [root / folder.relative_to("/") / link for root in DEBUG_ROOTS]
    return [place for place in dict.fromkeys(places) if place.is_file()]


def _debuginfod_caches() -> list[Path]:
    named = os.environ.get("DEBUGINFOD_CACHE_PATH")
    root = cache_root()
    return [Path(named)] if named else [] if root is None else [root / "debuginfod_client"]
