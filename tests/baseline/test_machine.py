"""Machines are small trees of system files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_flame.baseline import machine

XEON = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 106
model name\t: Intel(R) Xeon(R)   Platinum 8370C CPU @ 2.80GHz
stepping\t: 6
cpu MHz\t\t: {mhz}
flags\t\t: fpu vme {flags} avx2
"""
ARM = """processor\t: 0
BogoMIPS\t: 243.75
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: {part}
CPU revision\t: 1
"""


class Machine:
    """A root folder with the files of one machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def file(self, path: str, text: str = "") -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def card(
        self,
        name: str,
        address: str,
        *,
        device: str = "pci0000:00/0000:00:03.0",
        assigned: str = "0",
        wireless: bool = False,
    ) -> None:
        card = f"sys/devices/{device}/net/{name}"
        self.file(f"{card}/address", f"{address}\n")
        self.file(f"{card}/addr_assign_type", f"{assigned}\n")
        if "virtual" not in device:
            self.file(f"{card}/device/vendor")
        if wireless:
            self.file(f"{card}/wireless/x")
        link = self.root / "sys/class/net" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(self.root / card)

    @property
    def identity(self) -> str:
        return machine.identity(self.root)


NewMachine = Callable[[], Machine]


@pytest.fixture
def new_machine(tmp_path_factory: pytest.TempPathFactory) -> NewMachine:
    return lambda: Machine(tmp_path_factory.mktemp("machine"))


@pytest.fixture
def box(new_machine: NewMachine) -> Machine:
    """A server with one network card."""
    box = new_machine()
    box.file("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    box.card("eth0", "06:00:5e:00:53:02")
    return box


def test_cpu_of_x86(box: Machine) -> None:
    box.file("proc/cpuinfo", "\n".join(XEON.format(mhz=mhz, flags="") for mhz in (2800, 3100)))
    assert machine.cpu(box.root) == "Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz, family 6 model 106 stepping 6"


def test_cpu_of_arm_names_each_kind_of_core(box: Machine) -> None:
    box.file("proc/cpuinfo", "\n".join(ARM.format(part=part) for part in ("0xd0c", "0xd40", "0xd0c")))
    assert machine.cpu(box.root).split(" + ") == [
        "ARM implementer 0x41 variant 0x3 part 0xd0c revision 1",
        "ARM implementer 0x41 variant 0x3 part 0xd40 revision 1",
    ]


def test_a_system_that_tells_nothing(new_machine: NewMachine) -> None:
    nothing = new_machine()
    assert machine.cpu(nothing.root) == ""
    assert machine.hypervisor(nothing.root) == "none"
    assert nothing.identity == ""


def test_hypervisor(box: Machine) -> None:
    box.file("proc/cpuinfo", XEON.format(mhz=1, flags="ssse3"))
    assert machine.hypervisor(box.root) == "none"
    box.file("proc/cpuinfo", XEON.format(mhz=1, flags="hypervisor"))
    assert machine.hypervisor(box.root) == "unnamed"
    box.file("sys/class/dmi/id/sys_vendor", "Microsoft Corporation\n")
    box.file("sys/class/dmi/id/product_name", "Virtual Machine\n")
    assert machine.hypervisor(box.root) == "Microsoft Corporation Virtual Machine"


def test_an_identity_never_changes_between_versions(box: Machine) -> None:
    assert box.identity == "894d3cd50213e578"


def test_clones_of_one_image_are_different_machines(box: Machine, new_machine: NewMachine) -> None:
    clone = new_machine()
    clone.file("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    clone.card("eth0", "06:00:5e:00:53:03")
    assert clone.identity != box.identity != ""


def test_cards_that_come_and_go_are_no_other_machine(box: Machine) -> None:
    before = box.identity
    box.card("wlan0", "3c:58:c2:00:00:01", device="pci0000:00/0000:00:04.0", wireless=True)
    box.card("usb0", "00:e0:4c:00:00:01", device="pci0000:00/usb1/1-1")
    box.card("docker0", "02:42:ac:11:00:01", device="virtual")
    box.card("eth1", "06:00:5e:00:53:99", device="pci0000:00/0000:00:05.0", assigned="3")
    box.card("vf0", "06:00:5e:00:53:02", device="pci0000:00/0000:00:06.0")  # the same card again
    assert box.identity == before


def test_a_laptop_without_a_wired_card_is_known_by_its_machine_id(new_machine: NewMachine) -> None:
    laptop, other = new_machine(), new_machine()
    laptop.file("etc/machine-id", "a" * 32)
    other.file("etc/machine-id", "b" * 32)
    assert "" != laptop.identity != other.identity != ""


def test_the_firmware_uuid_does_not_make_root_another_machine(box: Machine) -> None:
    before = box.identity
    box.file("sys/class/dmi/id/product_uuid", "4c4c4544-0042")
    assert box.identity == before


@pytest.mark.parametrize("mark", [".dockerenv", "run/.containerenv", "run/systemd/container"])
def test_a_container_is_not_known_by_its_image(new_machine: NewMachine, mark: str) -> None:
    container = new_machine()
    container.file("etc/machine-id", "a" * 32)
    container.card("eth0", "02:42:ac:11:00:02", device="virtual")
    container.file(mark)
    assert container.identity == ""
    container.file("sys/class/dmi/id/product_uuid", "4c4c4544-0042")
    assert len(container.identity) == 16


def test_a_network_card_alone_would_give_away_its_address(new_machine: NewMachine) -> None:
    box = new_machine()
    box.card("eth0", "06:00:5e:00:53:02")
    assert box.identity == ""
    box.file("etc/machine-id", "uninitialized\n")
    assert box.identity == ""
