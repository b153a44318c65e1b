import json
from pathlib import Path

import pytest

from pytest_cgosafe.budget_file import (
    BudgetFile,
    BudgetFileError,
    Entry,
    Key,
    parse_budgets,
    read_budgets,
    render_budgets,
    write_budgets,
)
from pytest_cgosafe.budgets import (
    Budget,
    Conditions,
    Measured,
    Tolerance,
    compare,
    measured,
    parse_tolerance,
)
from pytest_cgosafe.checks import Breach
from pytest_cgosafe.results import Binary, Call, CallChain, Exit, Profile, RunResult, ThreadStack

HERE = Conditions("1.26.8", "gcc 12.2.0", "glibc 2.36", "amd64", "debug")
KIB = 1024


def chain(**sizes: int) -> CallChain:
    return CallChain(tuple(Call(name, 1, size) for name, size in sizes.items()), None)


def breaches(then: Budget, now: Budget, note: str | None = None) -> list[Breach]:
    return list(compare(then, Measured(HERE, now, note), Tolerance(), "pytest --accept"))


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (4 * KIB, 5 * KIB, False),
        (4 * KIB, 5 * KIB + 1, True),
        (100 * KIB, 110 * KIB, False),
        (100 * KIB, 110 * KIB + 1, True),
        (100 * KIB, 10 * KIB, False),
    ],
)
def test_growth_beyond_the_larger_of_share_and_size_is_a_breach(
    then: int, now: int, told: bool
) -> None:
    assert bool(breaches(Budget(then, None), Budget(now, None))) is told


def test_a_frame_that_grew_is_told_where_the_whole_stack_hides_it() -> None:
    then = Budget(200 * KIB, chain(leaf=1_056, down=128))
    now = Budget(202 * KIB, chain(leaf=3_104, down=128))
    [breach] = breaches(then, now)
    assert breach.summary == "budget: the C stack grew from 200.0 KiB to 202.0 KiB"
    assert breach.details[0] == "`leaf` takes 2,048 B more: 1,056 B then, 3,104 B now"
    assert breach.details[1:3] == (
        "now: peak made by leaf <- down",
        "then: peak made by leaf <- down",
    )
    assert breach.details[-1].endswith("to accept it: pytest --accept")


def test_a_frame_that_is_said_to_have_grown_while_the_stack_did_not_is_no_breach() -> None:
    then = Budget(200 * KIB, chain(leaf=1_056))
    assert breaches(then, Budget(200 * KIB + 48, chain(leaf=9_000))) == []


def test_a_deeper_recursion_and_a_new_function_are_named() -> None:
    then = Budget(16 * KIB, CallChain((Call("down", 100, 160),), None))
    calls = (Call("helper", 1, 4_000), Call("down", 120, 160))
    [breach] = breaches(then, Budget(24 * KIB, CallChain(calls, None)))
    assert breach.details[:2] == (
        "`helper` is new there: 4,000 B",
        "`down`: 100 x 160 B then, 120 x 160 B now",
    )


def test_a_measurement_that_is_only_a_bound_is_given_the_page_that_it_may_be_off() -> None:
    then = Budget(4 * KIB, None)
    assert breaches(then, Budget(8 * KIB, None), "to the page") == []
    assert len(breaches(then, Budget(12 * KIB, None), "to the page")) == 1


def test_a_budgets_own_tolerance_wins() -> None:
    then = Budget(100 * KIB, None, tolerance=parse_tolerance("50%"))
    assert breaches(then, Budget(149 * KIB, None)) == []
    assert len(breaches(then, Budget(151 * KIB, None))) == 1


def test_goroutine_stacks_are_compared_where_both_are_known() -> None:
    then = Budget(KIB, None, goroutine_stack=8 * KIB)
    [breach] = breaches(then, Budget(KIB, None, goroutine_stack=16 * KIB))
    assert breach.summary == "budget: the largest goroutine stack grew from 8.0 KiB to 16.0 KiB"
    assert breaches(Budget(KIB, None), Budget(KIB, None, goroutine_stack=16 * KIB)) == []


@pytest.mark.parametrize(
    ("text", "tolerance"),
    [
        ("10% 1KiB", Tolerance(0.1, 1024)),
        ("10% and 1 KiB".replace("1 KiB", "1KiB"), Tolerance(0.1, 1024)),
        ("2KiB", Tolerance(0.0, 2048)),
        ("20%", Tolerance(0.2, 0)),
        (str(Tolerance()), Tolerance()),
    ],
)
def test_tolerances_are_read_as_people_write_them(text: str, tolerance: Tolerance) -> None:
    assert parse_tolerance(text) == tolerance


@pytest.mark.parametrize("text", ["", "much", "10% 20%", 5, None])
def test_what_is_no_tolerance_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"is not a (tolerance|size)"):
        parse_tolerance(text)


def run_of(path: Path, used: int, *, code: int | None = 0, profile: Profile) -> RunResult:
    stacks = (ThreadStack(7, "x", True, None, used + 9_000, initial=9_000, used=used),)
    binary = Binary(path, "./x", profile, path.parent)
    exit_ = Exit(code, None if code is not None else "SIGKILL")
    return RunResult(binary, (), exit_, 0.1, "", "", stacks)


def test_each_profile_has_its_deepest_run_and_runs_that_were_killed_do_not_count(
    tmp_path: Path,
) -> None:
    binary = tmp_path / "x"
    binary.write_bytes(b"no binary at all")
    runs = [
        run_of(binary, 100, profile=Profile.DEBUG),
        run_of(binary, 300, profile=Profile.DEBUG),
        run_of(binary, 200, profile=Profile.RELEASE),
        run_of(binary, 900, code=None, profile=Profile.DEBUG),
    ]
    found = {one.conditions.profile: one.budget.c_stack for one in measured(runs)}
    assert found == {"debug": 300, "release": 200}


def entry(test: str, size: int, conditions: Conditions = HERE) -> Entry:
    return Entry(Key(conditions, test), Budget(size, chain(leaf=size)))


OTHER = Conditions("1.25.1", "gcc 12.2.0", "glibc 2.36", "amd64", "debug")


def test_a_file_reads_back_as_it_was_written_and_is_sorted(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "cgosafe-budgets.json"
    budgets = BudgetFile().updated(
        [entry("b", 2), entry("a", 1), entry("a", 3, OTHER)], only_add=False
    )
    write_budgets(path, budgets)
    assert read_budgets(path) == budgets
    assert [(e.key.conditions.go, e.key.test) for e in budgets.entries] == [
        ("1.25.1", "a"),
        ("1.26.8", "a"),
        ("1.26.8", "b"),
    ]
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    assert budgets.other_conditions(Key(HERE, "a")) == (OTHER,)
    assert read_budgets(tmp_path / "none.json") is None


def test_an_update_keeps_other_entries_tolerances_and_numbers_that_only_waver() -> None:
    own = Entry(Key(HERE, "a"), Budget(1000, None, tolerance=Tolerance(0.5, 0)))
    budgets = BudgetFile((own, entry("b", 2_000)))
    grown = Entry(Key(HERE, "a"), Budget(5_000, None))
    updated = budgets.updated([grown, entry("b", 2_048)], only_add=False)
    assert updated.find(Key(HERE, "a")) == Budget(5_000, None, tolerance=Tolerance(0.5, 0))
    assert updated.find(Key(HERE, "b")) == entry("b", 2_000).budget
    assert budgets.updated([grown, entry("c", 1)], only_add=True).entries == (
        *budgets.entries,
        entry("c", 1),
    )


ENVIRONMENT = {
    "go": "1.26.8",
    "cc": "gcc 12.2.0",
    "libc": "glibc 2.36",
    "arch": "amd64",
    "profile": "debug",
}


def document(budget: object) -> str:
    environment = {**ENVIRONMENT, "tests": {"t.py::t": budget}}
    return json.dumps({"schema": "cgosafe-budgets/1", "environments": [environment]})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name"),
        ("[]", "the file must be an object"),
        ("{}", "schema is None"),
        ('{"schema": "cgosafe-budgets/9"}', "reads 'cgosafe-budgets/1'"),
        ('{"schema": "cgosafe-budgets/1"}', "environments must be an array"),
        (document({}), r"tests\['t.py::t'\].c_stack must be a whole number, not null"),
        (document({"c_stack": "64KiB"}), 'c_stack must be a whole number, not "64KiB"'),
        (document({"c_stack": True}), "c_stack must be a whole number"),
        (document({"c_stack": -1}), "c_stack must not be below 0"),
        (document({"c_stack": 1, "peak": 2}), "an unknown 'peak'; valid are: c_stack"),
        (document({"c_stack": 1, "tolerance": "some"}), "tolerance: 'some' is not a"),
        (document({"c_stack": 1, "chain": [{"count": 1}]}), r"chain\[0\].function must be a str"),
    ],
)
def test_a_hand_edited_file_is_refused_with_file_place_and_what_belongs_there(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "cgosafe-budgets.json"
    path.write_text(text)
    with pytest.raises(BudgetFileError, match=reason) as caught:
        read_budgets(path)
    assert str(path) in str(caught.value)
    assert "--cgosafe-update-budgets" in str(caught.value)


def test_the_same_budgets_give_the_same_text() -> None:
    text = document({"c_stack": 5, "tolerance": "10% 1KiB", "chain": [{"function": "f"}]})
    budgets = parse_budgets(text)
    assert render_budgets(parse_budgets(render_budgets(budgets))) == render_budgets(budgets)
