"""The pytest plugin: options, the marker, the fixtures, and the checks at the end of a test's call.

The engine is imported by those who need it: every run of pytest pays for this module, few have to do with Go.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe import budget_plugin
from pytest_cgosafe.errors import CgosafeError, LowHeadroomWarning
from pytest_cgosafe.options import OPTIONS, Limits

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from pytest_cgosafe.build import Builder
    from pytest_cgosafe.checks import Breach
    from pytest_cgosafe.session import Session, SessionBuilder


BACKTRACES = ("folded", "full")

_limits_key = pytest.StashKey[Limits]()
_session_key = pytest.StashKey["Session"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """One command-line option and one ini option for each argument of the marker."""
    group = parser.getgroup("cgosafe", "Go code that calls C")
    for name, option in OPTIONS.items():
        help_text = option.help.replace("%", "%%")
        if option.metavar is None:
            group.addoption(_flag(name), action="store_const", const="true", help=help_text)
        else:
            group.addoption(_flag(name), metavar=option.metavar, help=help_text)
        parser.addini(f"cgosafe_{name}", option.help)
    shown = "how a crash's backtrace is shown: with the Go runtime's frames folded (the default) or full"
    group.addoption("--cgosafe-backtrace", metavar="|".join(BACKTRACES), help=shown)
    parser.addini("cgosafe_backtrace", shown)
    budget_plugin.add_options(parser, group)


def _flag(name: str) -> str:
    return f"--cgosafe-{name.replace('_', '-')}"


def pytest_configure(config: pytest.Config) -> None:
    """Read the suite's limits: the command line wins over ini, ini over the defaults."""
    config.addinivalue_line(
        "markers",
        f"cgosafe(*, {', '.join(OPTIONS)}): hold what the test builds and runs against these limits",
    )
    limits = Limits()
    for name in OPTIONS:
        ini, flag = config.getini(f"cgosafe_{name}"), config.getoption(_flag(name))
        for source, value in ((f"ini option cgosafe_{name}", ini or None), (_flag(name), flag)):
            if value is not None:
                limits = _but(limits, {name: value}, source)
    config.stash[_limits_key] = limits
    if _backtrace(config) not in BACKTRACES:
        raise pytest.UsageError(
            f"cgosafe_backtrace: {_backtrace(config)!r}; valid are: {', '.join(BACKTRACES)}"
        )
    budget_plugin.configure(config)


def _backtrace(config: pytest.Config) -> str:
    return (
        config.getoption("--cgosafe-backtrace")
        or config.getini("cgosafe_backtrace")
        or BACKTRACES[0]
    )


def _but(limits: Limits, values: Mapping[str, object], source: str) -> Limits:
    try:
        return limits.but(values)
    except ValueError as error:
        raise pytest.UsageError(f"{source}: {error}") from None


def pytest_report_header(config: pytest.Config) -> list[str]:
    """The toolchain, and the limits that are not the defaults."""
    from pytest_cgosafe.report.header import render_header
    from pytest_cgosafe.toolchain import find_toolchain

    return list(render_header(find_toolchain(config.rootpath), config.stash[_limits_key]))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Validate every marker before any test runs."""
    for item in items:
        _limits_of(item)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same in a worker of pytest-xdist, as an error of the collection: a worker can't tell of a usage error."""
    report = yield
    if hasattr(collector.config, "workerinput"):
        try:
            for node in report.result:
                if isinstance(node, pytest.Item):
                    _limits_of(node)
        except pytest.UsageError as error:
            return pytest.CollectReport(report.nodeid, "failed", f"ERROR: {error}", [])
    return report


def _limits_of(item: pytest.Item) -> Limits:
    """The suite's limits with those of the item's markers put in, the nearest marker last."""
    limits = item.config.stash[_limits_key]
    for mark in reversed(list(item.iter_markers("cgosafe"))):
        source = f"{item.nodeid}: @pytest.mark.cgosafe"
        if mark.args:
            raise pytest.UsageError(
                f"{source} takes keyword arguments only; valid are: {', '.join(OPTIONS)}"
            )
        limits = _but(limits, mark.kwargs, source)
    return limits


@pytest.fixture
def cgosafe(request: pytest.FixtureRequest, _cgosafe_builder: Builder) -> Session:
    """Build Go packages and run programs under watch, for this test."""
    from pytest_cgosafe.report.live import LiveReport
    from pytest_cgosafe.session import Session

    config, path = request.config, request.node.path
    above = [path.parent, *path.parent.parents]
    module = [directory for directory in above if (directory / "go.mod").is_file()][:1]
    nearer = [directory for directory in above if directory.is_relative_to(config.rootpath)]
    session = Session(
        _cgosafe_builder,
        bases=[*module, *nearer, config.rootpath, config.invocation_params.dir],
        profile=_limits_of(request.node).profile,
        backtrace="full" if _backtrace(config) == "full" else "folded",
        watch_growth=_limits_of(request.node).max_goroutine_stack is not None,
        trace_crossings=_limits_of(request.node).trace_crossings,
        spectator=LiveReport(sys.stderr, _warn_of_low_headroom),
    )
    request.node.stash[_session_key] = session
    return session


def _warn_of_low_headroom(text: str) -> None:
    warnings.warn(LowHeadroomWarning(text), stacklevel=2)


@pytest.fixture(scope="session")
def cgosafe_build(request: pytest.FixtureRequest, _cgosafe_builder: Builder) -> SessionBuilder:
    """Build Go packages once, for fixtures of session scope: ``cgosafe_build("./cmd/encode")``."""
    from pytest_cgosafe.session import SessionBuilder

    config = request.config
    return SessionBuilder(
        _cgosafe_builder,
        bases=[config.rootpath, config.invocation_params.dir],
        profile=config.stash[_limits_key].profile,
    )


@pytest.fixture(scope="session")
def _cgosafe_builder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Builder:
    """One store of builds for the session, which pytest-xdist's workers share."""
    from pytest_cgosafe.build import Builder

    own = tmp_path_factory.getbasetemp()
    shared = own.parent if hasattr(request.config, "workerinput") else own
    return Builder(shared / "cgosafe-builds", request.config.rootpath)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Run the test, then hold what it built and ran against its limits: a breach fails the call."""
    outcome = yield
    session = item.stash.get(_session_key, None)
    if session:
        from pytest_cgosafe.report.terminal import render_breaches

        try:
            marked = _breaches(session, item) if item.get_closest_marker("cgosafe") else ()
            breaches = (*marked, *budget_plugin.judge(item, session.runs))
        except CgosafeError as error:
            raise pytest.fail.Exception(str(error), pytrace=False) from None
        if breaches:
            raise pytest.fail.Exception("\n".join(render_breaches(breaches)), pytrace=False)
    return outcome


def _breaches(session: Session, item: pytest.Item) -> tuple[Breach, ...]:
    from pytest_cgosafe.checks import check

    limits = _limits_of(item)
    return check(limits, session.runs, session.crossings() if limits.forbid else [])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell an error of ours without our traceback, and what the programs of a failed test printed.

    Here and not where the test runs: the test's exception stays what it is, for ``xfail(raises=CrashError)`` and --pdb,
    and one that unittest caught has come back.
    """
    report = yield
    if report.failed:
        if call.excinfo and isinstance(call.excinfo.value, CgosafeError):
            report.longrepr = item.repr_failure(_told_plainly(item, call.excinfo.value))
        session = item.stash.get(_session_key, None)
        if session:
            from pytest_cgosafe.report.terminal import render_output

            for title, text in render_output(session.runs):
                # for the teardown's report, from which JUnit's is made
                item.add_report_section(call.when, title, text)
                report.sections.append((f"Captured {title} {call.when}", text))
            del item.stash[_session_key]
    return report


def _told_plainly(item: pytest.Item, error: CgosafeError) -> pytest.ExceptionInfo[BaseException]:
    where = _last_line_of_user(error, item.config.invocation_params.dir)
    failure = pytest.fail.Exception(f"{error}\n\n{where}", pytrace=False)
    return pytest.ExceptionInfo.from_exception(failure.with_traceback(error.__traceback__))


def _last_line_of_user(error: BaseException, here: Path) -> str:
    entries = [
        entry
        for entry in pytest.ExceptionInfo.from_exception(error).traceback
        if not _is_ours(Path(entry.path))
    ]
    if not entries:
        return ""
    last = entries[-1]
    path = Path(last.path)
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    return f"{shown}:{last.lineno + 1}: {str(last.statement).strip()}"


def _is_ours(path: Path) -> bool:
    return path.is_relative_to(Path(__file__).parent)
