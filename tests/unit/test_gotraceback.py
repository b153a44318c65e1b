"""Reports that are hard to come by, or hard to tell from what else a program prints."""

from pytest_cgosafe.crash.gotraceback import GoReport, ReportKind, parse_go_traceback
from pytest_cgosafe.results import Language, StackKind

TRACE = """
goroutine 1 [running]:
main.main()
\t/src/a b/main.go:8 +0x12
"""


def report_of(text: str) -> GoReport:
    report = parse_go_traceback(text)
    assert report
    return report


def test_there_is_no_report_in_ordinary_output() -> None:
    assert parse_go_traceback("all well\nno panic: really\n") is None
    assert parse_go_traceback("") is None


def test_a_printed_stack_alone_is_no_report() -> None:
    assert parse_go_traceback(f"debug.PrintStack:{TRACE}") is None


def test_a_report_is_found_behind_an_unfinished_line() -> None:
    report = report_of(f"progress: 50%panic: boom\n{TRACE}")
    assert (report.kind, report.messages) == (ReportKind.PANIC, ("boom",))


def test_a_line_that_only_looks_like_a_panic_is_not_taken_for_it() -> None:
    report = report_of(
        f"panic: logged and survived\npanic: real\n{TRACE}panic: printed by another thread\n"
    )
    assert report.messages == ("real",)


def test_the_last_of_several_reports_counts() -> None:
    assert report_of(f"panic: a child's\n{TRACE}\npanic: our own\n{TRACE}").messages == ("our own",)


def test_a_message_that_quotes_a_traceback_header_stays_whole() -> None:
    assert report_of(f"panic: saw\ngoroutine 9 [running]:\n{TRACE}").messages == (
        "saw\ngoroutine 9 [running]:",
    )


def test_the_same_value_panicked_again_is_told_once() -> None:
    assert report_of(f"panic: once [recovered]\n\tpanic: once\n{TRACE}").messages == ("once",)


def test_a_deadlock_is_a_fatal_error() -> None:
    text = """fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive (nil chan), 3 minutes, locked to thread]:
main.main()
\t/src/main.go:5 +0x1d
exit status 2
"""
    report = report_of(text)
    assert (report.kind, report.message) == (
        ReportKind.FATAL,
        "all goroutines are asleep - deadlock!",
    )
    assert report.dead
    assert (report.dead.state, report.dead.waited, report.dead.locked) == (
        "chan receive (nil chan)",
        3,
        True,
    )


def test_signals_that_go_relays_to_other_threads_are_not_the_crash() -> None:
    text = f"""SIGSEGV: segmentation violation
PC=0x4cb2f0 m=0 sigcode=1 addr=0x10
signal arrived during cgo execution
{TRACE}
rax    0x1
rflags 0x10202

-----

SIGQUIT: quit
PC=0x493da3 m=2 sigcode=0

goroutine 0 gp=0x2c m=2 mp=0x2d [idle]:
runtime.futex(0x5a8e40)
\t/usr/local/go/src/runtime/sys_linux_amd64.s:570 +0x23 fp=0x7f9b sp=0x7f93 pc=0x493da3

rax    0xca
"""
    report = report_of(text)
    assert report.signal
    assert (report.signal.name, report.signal.address) == ("SIGSEGV", 0x10)
    assert [trace.id for trace in report.goroutines] == [1]
    assert [(register.name, register.value) for register in report.registers] == [
        ("rax", 1),
        ("eflags", 0x10202),
    ]


def test_headers_with_labels_and_bubbles_are_read() -> None:
    for tail in (', synctest bubble 2 labels:{"who": "me"}]:', ", synctest bubble 2] {who: me}:"):
        report = report_of(
            f"panic: x\n\ngoroutine 7 gp=0xc0 m=nil [select (durable){tail}\nmain.f()\n\t/m.go:1\n"
        )
        assert report.dead
        assert (report.dead.id, report.dead.state) == (7, "select (durable)")


def test_names_and_arguments_are_told_apart() -> None:
    calls = (
        ("main.(*T).M(0x1, {0xc0, 0x3}, 0x5?)", "main.(*T).M", "0x1, {0xc0, 0x3}, 0x5?"),
        ("main.F[...](...)", "main.F[...]", None),
        (
            "example.com/a%2eb/c.G[...].func1.2({_, 0x1})",
            "example.com/a%2eb/c.G[...].func1.2",
            "{_, 0x1}",
        ),
        ("panic({0x4d, 0x50})", "runtime.gopanic", "{0x4d, 0x50}"),
        ("runtime.goexit({})", "runtime.goexit", "{}"),
    )
    body = "".join(f"{call}\n\t/x.go:3 +0x1\n" for call, _, _ in calls)
    dead = report_of(f"panic: x\n\ngoroutine 1 [running]:\n{body}").dead
    assert dead
    assert [(frame.function, frame.args) for frame in dead.backtrace.frames] == [
        (f, a) for _, f, a in calls
    ]


def test_paths_with_spaces_and_colons_are_whole() -> None:
    dead = report_of("panic: x\n\ngoroutine 1 [running]:\nmain.f()\n\t/a b/ä:1/m.go:12 +0x1\n").dead
    assert dead
    frame = dead.backtrace.frames[0]
    assert (frame.file, frame.line, frame.language) == ("/a b/ä:1/m.go", 12, Language.GO)


def test_a_goroutine_on_another_thread_has_a_gap_and_its_creator() -> None:
    text = """panic: x

goroutine 1 [running]:
main.f()
\t/m.go:1 +0x1

goroutine 6 [running]:
\tgoroutine running on other thread; stack unavailable
created by main.main in goroutine 1
\t/m.go:9 +0x1d
"""
    other = report_of(text).goroutines[1].backtrace
    assert other.frames == ()
    assert "another thread" in other.gaps[0].reason
    assert other.created_by
    assert (other.created_by.function, other.created_by.line) == ("main.main", 9)


def test_c_frames_of_a_registered_symbolizer_are_c_frames() -> None:
    text = """SIGABRT: abort
PC=0x1 m=0 sigcode=18446744073709551610

goroutine 1 [syscall]:
deep
\t/src/deep.c:12 pc=0x4a1
non-Go function
\tpc=0x4a2
runtime.cgocall(0x1, 0x2)
\t/go/src/runtime/cgocall.go:157 +0x4b
"""
    dead = report_of(text).dead
    assert dead
    c, unknown, go = dead.backtrace.frames
    assert (c.function, c.file, c.line, c.language, c.stack) == (
        "deep",
        "/src/deep.c",
        12,
        Language.C,
        StackKind.THREAD,
    )
    assert (unknown.function, unknown.pc) == (None, 0x4A2)
    assert (go.function, go.stack) == ("runtime.cgocall", StackKind.GOROUTINE)


def test_a_tail_that_begins_within_a_report_is_not_read_as_a_whole_one() -> None:
    assert parse_go_traceback(f"0x7f, 0x1)\n\t/m.go:1 +0x1\n{TRACE}") is None
