"""pytest-cgosafe: test Go code that calls C.

The public names are the marker, the fixture and the command (see README.md), and the data and errors
re-exported here, for type annotations and ``pytest.raises``.
"""

from pytest_cgosafe.errors import CgosafeError, CrashError, IncompleteVetWarning, LowHeadroomWarning
from pytest_cgosafe.results import (
    Binary,
    Crash,
    Crossing,
    Frame,
    GoroutineStacks,
    RunResult,
    Sample,
    ThreadStack,
)

__version__ = "0.1.0"

__all__ = [
    "Binary",
    "CgosafeError",
    "Crash",
    "CrashError",
    "Crossing",
    "Frame",
    "GoroutineStacks",
    "IncompleteVetWarning",
    "LowHeadroomWarning",
    "RunResult",
    "Sample",
    "ThreadStack",
    "__version__",
]
