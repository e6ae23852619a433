"""Native stacks compared with libgcc's and libunwind's, walked at the same interrupted instruction.

    python -m benchmarks.sampler.unwind_truth [WORKLOAD…] [--seconds 5] [--hz 2000]

Workloads that are not installed are left out and reported: numpy, scipy, cryptography and orjson (both Rust). Stacks
are compared address by address. The libraries stop at a function without unwind information; the sampler guesses a
caller there, and each guess is verified: the function must return to it. Exit status 1 if fewer than 99.9 % of the
stacks without a guess match a library's, or fewer than 98 % of all reach the root.
"""

from __future__ import annotations

import argparse
import importlib
import shlex
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cffi import FFI

HERE = Path(__file__).parent
NATIVE = HERE.parents[1] / "native"
SOURCES = (
    "process/memory.c",
    "process/process.c",
    "unwind/call_frames.c",
    "unwind/dwarf_expression.c",
    "unwind/eh_frame.c",
    "unwind/modules.c",
    "unwind/stack_view.c",
    "unwind/unwind.c",
    "unwind/unwind_table.c",
)
LIKE_A_LIBRARY = 0.999
AT_THE_ROOT = 0.98


@dataclass(frozen=True, slots=True)
class Agreement:
    """Counts of ``samples`` stacks. Times are medians of a walk, nanoseconds."""

    samples: int
    frames: int
    at_root: int
    guessed: int
    like_libgcc: int
    like_libunwind: int
    libgcc_at_root: int
    differences: int
    proven: int
    refuted: int
    ns: int
    libgcc_ns: int
    libunwind_ns: int

    @property
    def like_a_library(self) -> float:
        """Share of the stacks without a guess that libgcc or libunwind also found."""
        return 1 - self.differences / max(1, self.samples - self.guessed)

    @property
    def root_share(self) -> float:
        return self.at_root / max(1, self.samples)


class Witness:
    """``unwind_witness.c``, built here with the sampler's own sources; with libunwind if its headers are installed."""

    def __init__(self, folder: Path, *options: str) -> None:
        library = folder / "unwind_witness.so"
        compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")[:1]
        command = [*compiler, "-std=gnu17", "-O2", "-shared", "-fPIC", "-pthread", f"-I{NATIVE}", *options]
        command += ["-o", str(library), str(HERE / "unwind_witness.c"), *(str(NATIVE / name) for name in SOURCES)]
        with_libunwind = subprocess.run([*command, "-DWITH_LIBUNWIND", "-lunwind"], capture_output=True, check=False)
        self.has_libunwind = with_libunwind.returncode == 0
        if not self.has_libunwind:
            subprocess.run(command, check=True)
        self._ffi = FFI()
        self._ffi.cdef(
            """
            typedef struct { uint64_t samples, at_root, broke_off, guessed, frames, like_libgcc, like_libunwind,
                libgcc_at_root, libunwind_at_root, differences, proven, refuted; } witness_counts;
            int witness_start(uint64_t period_ns, int proofs);
            int witness_stop(void);
            witness_counts witness_get(void);
            uint32_t witness_median_ns(int which);
            const uintptr_t *witness_difference(uint32_t index, int side);
            typedef struct { int kind, fp_slot, cfa_offset; uint64_t start, function; } witness_rule;
            witness_rule witness_rule_at(uint64_t address);
            void witness_disturb(int bytes);
            typedef struct { const char *path; uint64_t bias, start, end; uint32_t loaded, functions, rejected; }
                flame_module;
            uint32_t flame_module_count(void);
            flame_module flame_module_at(uint32_t index);
            int modules_refresh(void);
            """
        )
        self.library = self._ffi.dlopen(str(library))

    def compare(self, work: Callable[[], object], seconds: float, hz: int, *, prove: bool = True) -> Agreement:
        """Interrupts this thread while it repeats ``work``; ``prove``: verify guesses."""
        self._check(self.library.witness_start(1_000_000_000 // hz, prove))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            work()
        self._check(self.library.witness_stop())
        c = self.library.witness_get()
        ns, libgcc_ns, libunwind_ns = (self.library.witness_median_ns(i) for i in range(3))
        return Agreement(
            c.samples, c.frames, c.at_root, c.guessed, c.like_libgcc, c.like_libunwind, c.libgcc_at_root,
            c.differences, c.proven, c.refuted, ns, libgcc_ns, libunwind_ns,
        )  # fmt: skip

    def differences(self) -> list[tuple[list[int], list[int]]]:
        """The first few stacks on which neither library agreed, ours and libgcc's: return addresses, leaf first."""
        found = []
        for i in range(16):
            sides = [self.library.witness_difference(i, side) for side in (0, 1)]
            if sides[0] == self._ffi.NULL:
                break
            found.append(tuple(self._addresses(side) for side in sides))
        return found  # type: ignore[return-value]

    def modules(self) -> dict[str, Any]:
        """What is loaded now, by path."""
        self._check(self.library.modules_refresh())
        found = [self.library.flame_module_at(i) for i in range(self.library.flame_module_count())]
        return {self._ffi.string(m.path).decode(): m for m in found if m.loaded}

    def _addresses(self, side: Any) -> list[int]:
        addresses: list[int] = []
        while side[len(addresses)]:
            addresses.append(side[len(addresses)])
        return addresses

    def _check(self, result: int) -> None:
        if result:
            raise OSError(-result, "the witness could not be started")


# --- workloads: each returns a function that does a little of everything --------------------------------------------


def python() -> Callable[[], object]:
    def recursion(n: int) -> int:
        return n if n < 2 else recursion(n - 1) + recursion(n - 2)

    def work() -> None:
        recursion(12)
        sorted(range(200), key=lambda x: -x)
        sum(map(len, map(str, range(200))))

    return work


def numpy() -> Callable[[], object]:
    import numpy as np

    square, line = np.random.rand(200, 200), np.random.rand(10_000)

    def work() -> None:
        np.sort(line)
        np.exp(line).sum()
        square @ square
        np.linalg.svd(square[:50, :50])
        np.vectorize(lambda x: x + 1)(line[:300])

    return work


def scipy() -> Callable[[], object]:
    import numpy as np
    from scipy import integrate, linalg, optimize, spatial, special

    square, points = np.random.rand(60, 60), np.random.rand(500, 3)

    def work() -> None:
        optimize.minimize(lambda x: (x**2).sum(), np.ones(5))
        integrate.quad(lambda x: x * x, 0, 1)
        special.jv(1, points)
        linalg.eig(square[:30, :30])
        linalg.lu_factor(square)
        spatial.cKDTree(points).query(points)

    return work


def cryptography() -> Callable[[], object]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    key, nonce, text = bytes(32), bytes(12), bytes(10_000)
    signing, signing_rsa = ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, 2048)

    def work() -> None:
        for cipher in (AESGCM(key), ChaCha20Poly1305(key)):
            cipher.encrypt(nonce, text, None)
        signing.public_key().verify(signing.sign(text), text)
        signing_rsa.sign(text, padding.PKCS1v15(), hashes.SHA256())
        digest = hashes.Hash(hashes.SHA3_256())
        digest.update(text)
        digest.finalize()

    return work


def orjson() -> Callable[[], object]:
    library = importlib.import_module("orjson")
    data = {"rows": [{"n": i, "name": str(i), "values": [1.5 * i] * 5} for i in range(1000)]}

    def work() -> None:
        library.loads(library.dumps(data))
        library.dumps([{1}] * 50, default=list)

    return work


WORKLOADS = {f.__name__: f for f in (python, numpy, scipy, cryptography, orjson)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workloads", nargs="*", choices=[*WORKLOADS, []], metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--hz", type=int, default=2000)
    options = parser.parse_args()
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        witness = Witness(Path(folder))
        peers = (
            "libgcc or libunwind" if witness.has_libunwind else "libgcc (no libunwind: apt-get install libunwind-dev)"
        )
        print(f"compared with {peers}; ns: median walk, with libgcc's and libunwind's")
        print(f"{'':<14}stacks  frames  alike    root  libgcc's root  guesses proven      ns  libgcc  libunwind")
        for name in options.workloads or WORKLOADS:
            try:
                work = WORKLOADS[name]()
            except ImportError as e:
                print(f"{name:<14}left out: {e}")
                continue
            work()
            a = witness.compare(work, options.seconds, options.hz)
            print(
                f"{name:<14}{a.samples:>6}  {a.frames / max(1, a.samples):>6.1f}  {a.like_a_library:>6.2%} "
                f"{a.root_share:>6.1%}  {a.libgcc_at_root / max(1, a.samples):>13.1%}  "
                f"{a.proven:>6} of {a.proven + a.refuted:>5}  {a.ns:>6}  {a.libgcc_ns:>6}  {a.libunwind_ns:>9}",
                flush=True,
            )
            if a.like_a_library < LIKE_A_LIBRARY or a.root_share < AT_THE_ROOT:
                failures.append(name)
    for name in failures:
        print(f"NOT MET: {name} (alike ≥ {LIKE_A_LIBRARY:.1%}, root ≥ {AT_THE_ROOT:.0%})")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
