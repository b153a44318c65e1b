"""At whatever instruction a program is stopped, every thread's frames lead back to where it started."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_cgosafe.crash.debugger import examine_process

if TYPE_CHECKING:
    from tests.conftest import Build

STARTS = {
    *("runtime.goexit", "runtime.mcall", "runtime.morestack", "runtime.mstart", "runtime.rt0_go"),
    *("clone3", "clone", "_start"),
}
LOOKS = 6


@pytest.mark.parametrize("go", ["go1.21.13", "go1.24.11", "go1.26.8", "go1.27.3"])
def test_no_frame_is_lost_wherever_a_thread_is_stopped(program: Build, go: str) -> None:
    with subprocess.Popen([program("busy", GOTOOLCHAIN=go)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline() == b"busy\n"
            for _ in range(LOOKS):
                picture = examine_process(process.pid, process.pid, signal=None, all_threads=True)
                for thread in picture.threads:
                    assert thread.gaps == ()
                    functions = [frame.function for frame in thread.frames]
                    assert None not in functions
                    assert functions[-1] in STARTS
        finally:
            process.kill()
