"""What is the user's, what is the runtime's, and what only looks like it."""

import pytest

from pytest_cgosafe.crash.naming import (
    c_function_called,
    glue,
    is_standard_library,
    package_of,
    user_frames,
)
from pytest_cgosafe.results import Frame, Language, StackKind


def frame(
    function: str, language: Language = Language.GO, file: str = "/home/me/main.go", line: int = 1
) -> Frame:
    return Frame(function, language, file, line, StackKind.GOROUTINE, None, None, None, None)


def is_glue(function: str, language: Language, file: str = "/home/me/main.go") -> bool:
    return next(glue([frame(function, language, file)]))


@pytest.mark.parametrize(
    ("function", "language"),
    [
        ("runtime.gopanic", Language.GO),
        ("runtime.asmcgocall", Language.ASM),
        ("runtime/internal/syscall.Syscall6", Language.GO),
        ("internal/runtime/maps.fatal", Language.GO),
        ("main._Cfunc_parse", Language.GO),
        ("example.com/a.b/lib._C2func_parse", Language.GO),
        ("_cgoexp_2bde28e44cee_goCallback", Language.GO),
        ("_cgo_2bde28e44cee_Cfunc_parse", Language.C),
        ("crosscall2", Language.ASM),
        ("x_cgo_thread_start", Language.C),
        ("start_thread", Language.C),
        ("clone3", Language.ASM),
        ("__pthread_kill_implementation", Language.C),
    ],
)
def test_the_runtime_and_what_cgo_writes_are_glue(function: str, language: Language) -> None:
    assert is_glue(function, language)


@pytest.mark.parametrize(
    ("function", "language"),
    [
        ("main.runtimeStats", Language.GO),
        ("runtimex.F", Language.GO),
        ("example.com/runtime.F", Language.GO),
        ("main._CfuncLike", Language.GO),
        ("cgo_thing", Language.C),
        ("_cgo_thing", Language.C),
        ("x_cgo", Language.C),
        ("runtime.c_function", Language.C),
        ("clone_tree", Language.C),
        ("my_start_thread", Language.C),
        ("abort", Language.C),
        ("crosscall", Language.C),
    ],
)
def test_what_only_resembles_them_is_not(function: str, language: Language) -> None:
    assert not is_glue(function, language)


def test_the_stub_of_an_exported_function_is_glue_by_its_file() -> None:
    assert is_glue("goCallback", Language.C, "_cgo_export.c")
    assert not is_glue("goCallback", Language.C, "/home/me/export.c")


def test_the_closure_that_checks_pointers_is_glue_on_the_line_of_its_call_only() -> None:
    stub = frame("main._Cfunc_sum")
    caller = frame("main.load", line=7)
    assert list(glue([stub, frame("main.load.func1", line=7), caller])) == [True, True, False]
    assert list(glue([stub, frame("main.load.func1", line=8), caller])) == [True, False, False]
    assert (
        list(glue([frame("main.inner"), frame("main.load.func1", line=7), caller])) == [False] * 3
    )
    assert list(glue([stub, frame("main.other.func1", line=7), caller])) == [True, False, False]


@pytest.mark.parametrize(
    ("function", "file", "standard"),
    [
        ("sync.(*Mutex).Lock", "/usr/local/go/src/sync/mutex.go", True),
        ("sync.fatal", "/usr/local/go/src/runtime/panic.go", True),
        ("encoding/json.Marshal", "encoding/json/encode.go", True),
        ("sync.Run", "/home/me/sync/run.go", False),
        ("main.main", "/home/me/src/sync/main.go", False),
        (
            "golang.org/x/sync/errgroup.Go",
            "/root/go/pkg/mod/golang.org/x/sync@v1/errgroup/errgroup.go",
            False,
        ),
    ],
)
def test_the_standard_library_is_known_by_package_and_place(
    function: str, file: str, standard: bool
) -> None:
    assert is_standard_library(frame(function, file=file)) is standard


def test_user_frames_leave_out_everything_else() -> None:
    frames = [
        frame("raise", Language.C, "../sysdeps/posix/raise.c"),
        frame("abort", Language.C, "./stdlib/abort.c"),
        frame("check", Language.C),
        frame("_cgo_2bde28e44cee_Cfunc_check", Language.C),
        frame("runtime.cgocall"),
        frame("main._Cfunc_check"),
        frame("main.load"),
        frame("testing.tRunner", file="/usr/local/go/src/testing/testing.go"),
        frame("runtime.goexit", Language.ASM),
    ]
    assert [user.function for user in user_frames(frames)] == ["check", "main.load"]


def test_package_and_c_function_are_read_out_of_a_name() -> None:
    assert package_of("example.com/a/b.(*T[example.com/c.D]).M") == "example.com/a/b"
    assert package_of("main.main.func1") == "main"
    assert c_function_called("example.com/lib._Cfunc_parse_file") == "parse_file"
    assert c_function_called("_cgo_2bde28e44cee_Cfunc_parse_file") == "parse_file"
    assert c_function_called("main.parse") is None
