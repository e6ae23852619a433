"""Identifies this machine from files that every user may read. Linux only; elsewhere entries are empty.

``root`` is the folder that contains ``/proc``, ``/sys``, ``/etc`` and ``/run``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

_CPU_X86: Final = ("model name", "cpu family", "model", "stepping")
_CPU_ARM: Final = ("CPU implementer", "CPU variant", "CPU part", "CPU revision")
_CONTAINER_MARKS: Final = (".dockerenv", "run/.containerenv", "run/systemd/container", "run/secrets/kubernetes.io")
_ID_LENGTH: Final = 16


def cpu(root: Path = Path("/")) -> str:
    """Model, family, model number and stepping (x86) or implementer, variant, part and revision (ARM).

    If there are several kinds of cores, all are named. Source: proc_cpuinfo(5).
    """
    kinds: dict[str, None] = {}
    for block in _read(root / "proc/cpuinfo").split("\n\n"):
        entries = _entries(block)
        if "model name" in entries:
            name, *numbers = (entries.get(key, "?") for key in _CPU_X86)
            kinds["{}, family {} model {} stepping {}".format(name, *numbers)] = None
        elif "CPU part" in entries:
            values = (entries.get(key, "?") for key in _CPU_ARM)
            kinds["ARM implementer {} variant {} part {} revision {}".format(*values)] = None
    return " + ".join(sorted(kinds))


def hypervisor(root: Path = Path("/")) -> str:
    """``none``, or the hypervisor of this virtual machine, as far as it is known."""
    flags = _entries(_read(root / "proc/cpuinfo").split("\n\n")[0]).get("flags", "").split()
    kind = _read(root / "sys/hypervisor/type")
    tree = _read(root / "proc/device-tree/hypervisor/compatible").strip("\0")
    if "hypervisor" not in flags and not kind and not tree:
        return "none"
    vendor = _read(root / "sys/class/dmi/id/sys_vendor")
    product = _read(root / "sys/class/dmi/id/product_name")
    return " ".join(part for part in (kind, tree, vendor, product) if part) or "unnamed"


def identity(root: Path = Path("/")) -> str:
    """A hash that distinguishes this machine from others of its model, and survives a reboot where possible.

    In doubt it counts as a different machine: an identity that changes costs a second measurement, one that is shared a
    false alarm. It is the machine id (machine-id(5)) together with the addresses of the wired network cards, since
    cloned images share the former. A container's machine id comes from its image; unless it sees the host's network
    cards, only the firmware's UUID is used there, which only root may read; without it the kernel's boot id, which is
    the same until the machine restarts. The raw values never leave this function.
    """
    machine_id = _read(root / "etc/machine-id") or _read(root / "var/lib/dbus/machine-id")
    cards = _network_cards(root)
    contained = any((root / mark).exists() for mark in _CONTAINER_MARKS)
    if machine_id not in ("", "uninitialized") and (cards or not contained):
        parts = [machine_id, *cards]
    else:
        parts = [
            _read(root / "sys/class/dmi/id/product_uuid") or _read(root / "proc/sys/kernel/random/boot_id"),
        ]
    if not parts[0]:
        return ""
    return hashlib.sha256("\n".join(["pytest-flame", *parts]).encode()).hexdigest()[:_ID_LENGTH]


def _network_cards(root: Path) -> list[str]:
    """Permanent hardware addresses of built-in wired cards (sysfs-class-net)."""
    folder = root / "sys/class/net"
    addresses = set()
    for card in sorted(folder.iterdir()) if folder.is_dir() else []:
        built_in = (card / "device").exists() and "/usb" not in str(card.resolve())
        wired = not (card / "wireless").exists() and not (card / "phy80211").exists()
        if built_in and wired and _read(card / "addr_assign_type") == "0":
            addresses.add(_read(card / "address"))
    return sorted(addresses - {"", "00:00:00:00:00:00"})


def _entries(block: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.splitlines())
    return {name.strip(): " ".join(value.split()) for name, _, value in pairs}


def _read(path: Path) -> str:
    """A small system file's text; empty if it does not exist or may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
