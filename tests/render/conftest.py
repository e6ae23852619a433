"""A small order-processing application, measured on two sides, for the tests of the reports.

Only the numbers are invented; recordings, profiles and comparisons are the model's own.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from pytest_flame.fold import recording_profile
from pytest_flame.model import (
    CPU,
    Acceptance,
    Change,
    ChangedFunction,
    CodeChange,
    Comparison,
    DiffCoverage,
    EntryState,
    EntryUse,
    Frame,
    FrameDelta,
    GateChange,
    GateChangeKind,
    GateChanges,
    Judgement,
    Limits,
    Process,
    Profile,
    Recording,
    Round,
    RunResult,
    SamplerInfo,
    SourceLine,
    Stack,
    StackSample,
    Under,
    Verdict,
)
from pytest_flame.render.words import acceptance

SAMPLER = SamplerInfo("perf-sigtrap", "task-clock", kernel=True, frequency_hz=997)
LIMITS = Limits()
BASE_COMMIT = "1a2b3c4d5e6f708192a3b4c5d6e7f80912345678"

ORDERS = """
tests.test_orders:test_parse                                   22    22
  orders.api:handle_batch                                      61    63
    orders.api:Request.__init__                                48    47
    orders.auth:verify_token                                  110   112
      libcrypto.so.3:HMAC_Update                              230   228
      libcrypto.so.3:sha256_block_data_order                  540   544
    orders.parse:parse_order                                  190   193
      orders.parse:Tokenizer.__init__                          35    36
      orders.parse:tokenize                                  1310  2930
        re:Pattern.match                                      420   423
        orders.parse:Tokenizer.next                           610   604
          orders.parse:Tokenizer._skip_white_space            180   182
        orders.parse:Tokenizer.<listcomp>                      95    94
      orders.parse:_legacy_unquote                            310     0
        codecs:charmap_decode                                  60     0
      orders.parse:unquote_fast                                 0   130
        orders.parse:unquote_fast.<locals>.ersetze_ümlaut       0    45
      orders.model:Order.from_fields                          260   262
        orders.model:Price.__post_init__                      140   141
          decimal:Decimal.__new__                             330   333
        orders.model:注文.検証する                                150   149
        enum:EnumType.__call__                                 90    92
          enum:Enum.__new__                                    70    69
    orders.rules:apply_discounts                              170   168
      orders.rules:Rule.matches;any&all                       240   243
        operator:itemgetter.__call__                           44    45
      orders.rules:Rule.price<T>                              120   121
        decimal:Decimal.quantize                              410   409
      orders.rules:walk                                        30    30
        orders.rules:walk                                      31    32
          orders.rules:walk                                    33    33
            orders.rules:walk                                  90    91
    orders.store:Session.save                                 150   151
      orders.store:Session._flush                             130   133
        sqlite3:Connection.execute                            180   178
          libsqlite3.so.0:sqlite3_step                        620   625
            kernel:ext4_file_write_iter                       280   277
            kernel:fsync                                      340   352
          libsqlite3.so.0:sqlite3_prepare_v2                  260   262
        orders.store:Session._row                              75    74
      orders.store:cache_key                                   64    63
        json.encoder:JSONEncoder.encode                       210   214
          json.encoder:JSONEncoder.iterencode                 190   187
          _json.cpython-311-x86_64-linux-gnu.so:c_make_encoder 150   152
    orders.log:emit                                            40    41
      logging:Logger.info                                      70    71
        logging:Logger._log                                    80    80
          logging:Logger.makeRecord                           110   108
          logging:Formatter.format                            140   141
            logging:Formatter.formatTime                       60    60
            time:strftime                                      35    36
    orders.very.deeply.nested.package.of.adapters:AbstractSingletonProxyFactoryBean.create_instance 210 211
      [vdso]:__vdso_gettimeofday                               24    24
      kernel:[not sampled]                                    160   158
"""

Tree = Mapping[Stack, tuple[int, int]]


def tree(text: str, us: int = 1_000_000) -> dict[Stack, tuple[int, int]]:
    """An indented tree, ``frame  base  head`` with self costs in microseconds, as stacks of picoseconds."""
    stacks: dict[Stack, tuple[int, int]] = {}
    path: list[Frame] = []
    for line in filter(str.strip, text.splitlines()):
        name, base, head = line.strip().rsplit(maxsplit=2)
        del path[(len(line) - len(line.lstrip())) // 2 :]
        path.append(Frame.parse(name.strip()))
        stacks[tuple(path)] = (int(base) * us, int(head) * us)
    return stacks


def side(stacks: Tree, index: int) -> Profile:
    return Profile.of(CPU, {stack: costs[index] for stack, costs in stacks.items() if costs[index]})


def record(test_id: str, profile: Profile, processes: int = 10) -> Recording:
    """A recording whose profile is exactly ``profile``."""
    iterations = 100
    ns = profile.total * iterations // 1000
    samples = {stack: StackSample(max(1, cost // 10**9), cost // 1000) for stack, cost in profile.costs.items()}
    process = Process((Round(iterations, ns, ns, sampled=True),), samples)
    return Recording(test_id, (process,) * processes, SAMPLER, {"cpu": "synthetic"})


def functions(profile: Profile) -> dict[Frame, tuple[int, int]]:
    """Self and inclusive cost of every function, recursion counted once."""
    found: dict[Frame, tuple[int, int]] = {}
    for stack, cost in profile.costs.items():
        for frame in set(stack):
            own, whole = found.get(frame, (0, 0))
            found[frame] = (own + (cost if frame == stack[-1] else 0), whole + cost)
    return found


Words = Mapping[str, tuple[Change, str | None]]
NONE: Mapping[str, Any] = MappingProxyType({})


def compare(
    base: Recording, head: Recording, changes: Words = NONE, culprits: Mapping[str, int] = NONE, noise: float = 0.01
) -> Comparison:
    """A comparison with plausible intervals. ``culprits`` maps names to their own growth in microseconds."""
    before, after = recording_profile(base), recording_profile(head)
    own_before, own_after = functions(before), functions(after)
    blur = round(before.total * noise / 2)
    frames = []
    for frame in own_before.keys() | own_after.keys():
        base_self, base_all = own_before.get(frame, (0, 0))
        head_self, head_all = own_after.get(frame, (0, 0))
        delta = head_all - base_all
        change, caller = changes.get(frame.name, (Change.UNCHANGED, None))
        real = abs(delta) > 2 * blur or change is not Change.UNCHANGED
        if real and change is Change.UNCHANGED:
            change = Change.SLOWER if delta > 0 else Change.FASTER
        own = culprits.get(frame.name, 0) * 1_000_000
        line = SourceLine(frame.module.replace(".", "/") + ".py", 20 + len(frame.qualname)) if own else None
        frames.append(
            FrameDelta(
                frame=frame,
                base_self=base_self,
                head_self=head_self,
                base=base_all,
                head=head_all,
                low=delta - blur,
                high=delta + blur,
                p_adjusted=0.0002 if real and delta > 0 else 1.0,
                significant=real,
                over_threshold=bool(own),
                change=change,
                caller=Frame.parse(caller) if caller else None,
                own_delta=own,
                line=line,
                under=Under.EVERY if own and change is Change.SLOWER and not caller else Under.UNKNOWN,
                relative=own / base_all if own and base_all else None,
                self_low=head_self - base_self - blur,
                self_high=head_self - base_self + blur,
                blind=round(0.02 * before.total) + 4 * blur if base_self or head_self else None,
            )
        )
    frames.sort(key=lambda delta: (-abs(delta.delta), delta.frame))
    ratio = after.total / before.total
    comparison = Comparison(
        test_id=base.test_id,
        base=before.total,
        head=after.total,
        ratio=ratio,
        low=ratio - 0.0213,
        high=ratio + 0.0208,
        level=0.98,
        mde=1.071,
        base_processes=len(base.processes),
        head_processes=len(head.processes),
        limits=LIMITS,
        frames=tuple(frames),
        culprits=tuple(d for name in culprits for d in frames if d.frame.name == name),
    )
    comparison.check()
    return comparison


def judge(test_id: str, verdict: Verdict, text: str, reason: str, **options: object) -> Judgement:
    stacks = tree(text)
    base, head = record(test_id, side(stacks, 0)), record(test_id, side(stacks, 1))
    return Judgement(test_id, verdict, reason, compare(base, head, **options), base, head)  # type: ignore[arg-type]


ORDERS_CHANGES = {
    "orders.parse:tokenize": (Change.SLOWER, None),
    "orders.parse:_legacy_unquote": (Change.GONE, None),
    "orders.parse:unquote_fast": (Change.NEW, "orders.parse:parse_order"),
    "codecs:charmap_decode": (Change.GONE, None),
}


@pytest.fixture(scope="session")
def regressed() -> Judgement:
    judgement = judge(
        "tests/test_orders.py::test_parse",
        Verdict.REGRESSED,
        ORDERS,
        "slower by more than 5 % for certain",
        changes=ORDERS_CHANGES,
        culprits={"orders.parse:tokenize": 1620},
    )
    assert judgement.comparison is not None
    (tokenize,) = judgement.comparison.culprits
    culprit = replace(tokenize, code_change=CodeChange.CHANGED)
    comparison = replace(judgement.comparison, culprits=(culprit,))
    notes = ("12 samples could not be read, 0.1 % of all",)
    return replace(judgement, comparison=comparison, notes=notes, interleaved=True, base_commit=BASE_COMMIT)


RENDER = """
tests.test_orders:test_render                     40    40
  orders.render:Page.render                     1200  1204
    orders.render:escape                         900   903
    orders.render:Page._row                      960   958
"""
FASTER = RENDER.replace("1200  1204", "1200   400")
HOSTILE = """
tests.test_x:test_<script>alert('x')</script>     40    40
  a|b:`c`;\x1b[31md&"quoted"\u202e            1200  1900
    %s:{{ 7*7 }}${x}                             900   903
"""


@pytest.fixture(scope="session")
def hostile() -> Judgement:
    judgement = judge(
        "tests/test_x.py::test_p[<script>document.title='owned'</script>|`a`|\"'&\x00\x1b[31m\ud800\u202e\n@someone]",
        Verdict.REGRESSED,
        HOSTILE,
        "slower <b>a lot</b> | `x`",
        culprits={'a|b:`c`;\x1b[31md&"quoted"\u202e': 700},
    )
    assert judgement.comparison is not None
    (culprit,) = judgement.comparison.culprits
    marked = replace(culprit, changed_caller=Frame("a|<b>", "`\x1b[31m@someone"))
    return replace(judgement, comparison=replace(judgement.comparison, culprits=(marked,)))


MISSED = (
    ChangedFunction(Frame("orders.tax", "rate"), CodeChange.CHANGED, SourceLine("orders/tax.py", 12)),
    ChangedFunction(Frame("orders.tax", "Table.find"), CodeChange.ADDED, SourceLine("orders/tax.py", 30)),
    ChangedFunction(Frame("a|<b>", "`\x1b[31m@someone"), CodeChange.CHANGED, SourceLine("a|<b>.py", 1)),
    *(
        ChangedFunction(Frame("orders.old", f"old_{i}"), CodeChange.CHANGED, SourceLine("orders/old.py", 10 * i))
        for i in range(1, 5)
    ),
)
COVERAGE = DiffCoverage(
    BASE_COMMIT, 9, MISSED, exact=False, unknown=("orders/<py2>.py at base: invalid syntax (line 3)",)
)


UNTIL = datetime.date(2031, 12, 31)
EXPORT = Acceptance(
    "tests/test_orders.py::test_export", 0.18, "rates are checked now", UNTIL, place="flame-accepted.toml, entry 1"
)
ENTRIES = (
    EntryUse(EXPORT, EntryState.ACCEPTS, (EXPORT.test,)),
    EntryUse(
        replace(EXPORT, until=datetime.date(2020, 1, 31), place="flame-accepted.toml, entry 2"), EntryState.EXPIRED
    ),
    EntryUse(replace(EXPORT, test="gone", place="flame-accepted.toml, entry 3"), EntryState.UNMATCHED),
    EntryUse(
        replace(EXPORT, culprit="a|<b>:`\x1b[31m@someone", place="<b>.toml, entry 4"),
        EntryState.EXCEEDED,
        ("tests/test_orders.py::test_parse",),
    ),
    EntryUse(replace(EXPORT, test="later", place="flame-accepted.toml, entry 5"), EntryState.UNDECIDED),
)


@pytest.fixture(scope="session")
def result(regressed: Judgement, hostile: Judgement) -> RunResult:
    """One test of each verdict."""
    fresh = record("tests/test_orders.py::test_refund", side(tree(RENDER), 1))
    noisy = judge(
        "tests/test_orders.py::test_sync", Verdict.INCONCLUSIVE, RENDER, "too noisy: the interval spans the threshold"
    )
    assert noisy.comparison is not None
    wide = replace(noisy.comparison, low=0.91, high=1.24, mde=1.31)
    crash = "Traceback (most recent call last):\n\tFile \"orders/api.py\", line 3\nKeyError: 'price'"
    judgements = (
        regressed,
        judge("tests/test_orders.py::test_render", Verdict.PASS, RENDER, "within the threshold"),
        judge("tests/test_orders.py::test_list", Verdict.IMPROVED, FASTER, "faster by more than 5 % for certain"),
        replace(noisy, comparison=wide),
        Judgement(fresh.test_id, Verdict.NEW, "no baseline: record one with --flame-update", None, None, fresh),
        Judgement(
            "tests/test_orders.py::test_pay", Verdict.INCOMPATIBLE, "baseline of another CPU model, base not found"
        ),
        Judgement("tests/test_orders.py::test_mail", Verdict.ERROR, "the test body failed", details=crash),
        hostile,
        replace(
            regressed,
            test_id="tests/test_orders.py::test_export",
            verdict=Verdict.ACCEPTED,
            reason=f"{regressed.reason}; accepted until 2031-12-31: rates are checked now",
            accepted=(ENTRIES[0].entry,),
        ),
    )
    return RunResult(
        judgements=tuple(replace(j, interleaved=True, base_commit=BASE_COMMIT) for j in judgements),
        mode="interleaved",
        seed=20_240_611,
        limits=LIMITS,
        sampler=SAMPLER,
        overhead=0.011,
        base_commit=BASE_COMMIT,
        base_source="main",
        processes=10,
        duration_s=252.4,
        notes=("notes.txt is not committed: both sides got it from the working tree",),
        gate=GateChanges(
            BASE_COMMIT,
            (
                GateChange(GateChangeKind.UNMARKED, "tests/test_orders.py::test_total"),
                GateChange(GateChangeKind.SKIPPED, hostile.test_id, now="skipped: <b>later</b>\x1b[31m"),
                GateChange(
                    GateChangeKind.LOOSENED, "tests/test_orders.py::test_parse", "threshold 5 %", "threshold 20 %"
                ),
                GateChange(
                    GateChangeKind.ACCEPTED, "tests/test_orders.py::test_export", now=acceptance(ENTRIES[0].entry)
                ),
                GateChange(GateChangeKind.SETTING, "flame_alpha", "0.01", "0.001"),
                GateChange(GateChangeKind.BASELINE, "tests/test_orders.py::test_find", now="removed"),
            ),
        ),
        coverage=(COVERAGE,),
        accepted=ENTRIES,
    )


@pytest.fixture(scope="session")
def parse_tree() -> Callable[[str], tuple[Profile, Profile]]:
    """Base and head profile of an indented tree."""

    def parse(text: str) -> tuple[Profile, Profile]:
        stacks = tree(text)
        return side(stacks, 0), side(stacks, 1)

    return parse


@pytest.fixture(scope="session")
def make_judgement() -> Callable[..., Judgement]:
    return judge
