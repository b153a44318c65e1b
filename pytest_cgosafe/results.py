"""What a build, a run, a crash and a crossing are, as plain frozen data.

Every other module speaks in these types. Sizes are in bytes, durations in seconds, addresses plain integers.
``None`` always means "not known" or "does not apply", as each field says; it is never a stand-in for a guess.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Profile(StrEnum):
    """How a package is built."""

    DEBUG = "debug"
    """``-gcflags=all=-N -l``, ``GOEXPERIMENT=cgocheck2``, C with ``-g -fno-omit-frame-pointer``."""
    RELEASE = "release"
    """The user's own flags plus ``-g``: what ships."""


class BuildMode(StrEnum):
    """The go command's ``-buildmode`` (``go help buildmode``)."""

    EXE = "exe"
    """The go command's own default, which the user's GOFLAGS may change."""
    PIE = "pie"
    C_SHARED = "c-shared"
    C_ARCHIVE = "c-archive"


class StackKind(StrEnum):
    """The kind of stack that a frame stands on."""

    THREAD = "thread"
    GOROUTINE = "goroutine"
    SIGNAL = "signal"


class Language(StrEnum):
    """The language that a frame's function was written in."""

    GO = "go"
    C = "c"
    ASM = "asm"
    PYTHON = "python"


class CrossingKind(StrEnum):
    """The kind of Go value that reaches C."""

    MAP = "map"
    CHAN = "chan"
    FUNC = "func"
    INTERFACE = "interface"
    SLICE = "slice"
    STRING = "string"
    POINTER = "pointer"


class Origin(StrEnum):
    """What found a crossing."""

    STATIC = "static"
    CGOCHECK = "cgocheck"
    TRACE = "trace"


@dataclass(frozen=True, slots=True)
class Binary:
    """A built Go program, test binary or library."""

    path: Path
    package: str
    """The package as the caller named it; the path itself for a binary that was not built here."""
    profile: Profile | None
    """None for a binary that was not built here."""
    directory: Path
    """The package's own directory, where ``go test`` would run it."""
    is_test: bool = False
    build_mode: BuildMode = BuildMode.EXE


@dataclass(frozen=True, slots=True)
class Exit:
    """How a program ended. One of `code` and `signal` is set, after a timeout too; neither while it still runs."""

    code: int | None
    signal: str | None
    """The signal's name, ``"SIGKILL"``."""
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A function on a chain of calls, with the calls of itself that directly follow it taken together."""

    function: str
    """``libc.so.6+0x5c400`` for one that has no symbol: the file and where in it the function begins. Several that call
    each other in turn are told together, innermost first: ``even <- odd``."""
    count: int
    """How many frames of it stand in a row: 1,000 for a recursion that deep; of several, how many rounds."""
    size: int | None
    """Bytes of stack that one of them takes; None where it can't be known."""


@dataclass(frozen=True, slots=True)
class CallChain:
    """The calls that made a peak, read back from what they left on the stack."""

    calls: tuple[Call, ...]
    """Innermost first."""
    doubt: str | None
    """Why the chain may be wrong or not whole, in a clause; None where every frame was proved."""


@dataclass(frozen=True, slots=True)
class ThreadStack:
    """The system stack of one OS thread, and how far it was ever used."""

    tid: int
    name: str
    """The thread's name as the kernel has it (``/proc/PID/task/TID/comm``)."""
    main: bool
    limit: int | None
    """Bytes the stack may take: ``RLIMIT_STACK`` for the main thread, else the size given to pthread_create.
    None where it is unlimited or could not be known."""
    peak: int | None
    """Bytes from the top of the stack to the lowest byte ever touched; None where it could not be measured."""
    note: str | None = None
    """Why a number is missing, or in which way it is only a bound."""
    chain: CallChain | None = None
    """What made the peak; None where that was not found out."""
    initial: int | None = None
    """Bytes at the top that were taken before the thread's first instruction: the main thread's arguments and
    environment, with up to 8 KiB that the kernel leaves free at random (``arch_align_stack``); another thread's
    descriptor and thread-local storage. None where not known."""
    used: int | None = None
    """Bytes below those that the program itself used; of the main thread, what the dynamic loader and Go's runtime used
    before ``runtime.main`` is left out (in C programs, before the entry point). Unlike the peak it is the same, but for
    some hundred bytes, in every run that does the same. None where not known."""

    @property
    def headroom(self) -> float | None:
        """``1 - peak / limit``, from 0 to 1, or None where either is unknown."""
        return self.headroom_within(self.limit)

    def headroom_within(self, limit: int | None) -> float | None:
        """The headroom that this peak would leave within another `limit`, in bytes; never below 0."""
        if self.peak is None or not limit:
            return None
        return max(0.0, 1 - self.peak / limit)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a program's code."""

    function: str
    file: str | None
    line: int | None


@dataclass(frozen=True, slots=True)
class GoroutineStack:
    """The stack of one goroutine."""

    goroutine: int
    """The id that Go's own tracebacks show."""
    size: int
    """Bytes, a power of two."""
    used: int | None
    """The most bytes of it that were seen in use; None where it was never seen but running."""
    function: Place | None
    """The function that the goroutine began with; None where it can't be named."""
    created_by: CreatedBy | None
    """None for the main goroutine, and where it can't be named."""
    grown_by: tuple[Place, ...] = ()
    """The function that needed the room, then its callers, the nearest four; of one that calls itself, the innermost.
    Empty where the growth was not watched."""


@dataclass(frozen=True, slots=True)
class GoroutineStacks:
    """The goroutine stacks of a run."""

    peak_count: int
    """The most goroutines seen alive at once, counted as ``runtime.NumGoroutine`` does."""
    peak_stack: int
    """Bytes of the largest stack that any goroutine was seen to have; a power of two."""
    limit: int
    """Bytes that a goroutine stack may grow to (``debug.SetMaxStack``)."""
    most_count: int | None = None
    """There never were more than these, the runtime's own included: it uses what it keeps of ended ones again."""
    largest: GoroutineStack | None = None
    """The first that reached the peak."""
    exact: bool = False
    """Every growth was watched. Otherwise the stacks were looked at now and then, and at the end: one that grew, and
    was gone before anyone looked, is missed."""
    looks: int = 0
    """How often every goroutine was looked at."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A look at a running program."""

    time: float
    """Seconds since its first instruction, time in the debugger taken off."""
    peak: int | None
    """Bytes of the deepest thread stack so far."""
    headroom: float | None
    """The least of any thread so far, from 0 to 1."""
    threads: int
    goroutines: int | None
    """Alive, counted as ``runtime.NumGoroutine`` does; None where that is not known."""
    rss: int | None
    """Bytes of resident memory."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A local variable or an argument, as gdb prints it."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a mixed backtrace."""

    function: str | None
    """Named as its language names it (``main.load``, ``parse``); None where it can't be named."""
    language: Language | None
    file: str | None
    line: int | None
    stack: StackKind
    pc: int | None
    sp: int | None
    size: int | None
    """Bytes of stack that this frame takes; None where unknown (an inlined frame, one read from Go's traceback)."""
    args: str | None
    """``"n=0, p=0x10"``; None where unknown."""
    locals: tuple[Variable, ...] = ()
    """Filled for a full backtrace only."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A place in a backtrace where frames are missing."""

    after: int
    """The number of frames above the gap."""
    reason: str
    """Why, in a clause that a person understands."""
    elided: int | None = None
    """How many frames were left out on purpose (deep recursion); None where they could not be had."""


@dataclass(frozen=True, slots=True)
class Recursion:
    """A cycle of calls that fills a stack."""

    functions: tuple[str, ...]
    """The functions of one level, innermost first."""
    levels: int
    bytes_per_level: int | None


@dataclass(frozen=True, slots=True)
class CreatedBy:
    """The go statement that started a goroutine."""

    function: str
    file: str | None
    line: int | None
    goroutine: int | None = None
    """The goroutine that ran it, where known (Go 1.21 and later say so)."""


@dataclass(frozen=True, slots=True)
class Register:
    """A CPU register, named as gdb names it."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Backtrace:
    """The mixed backtrace of one thread of execution, innermost frame first."""

    tid: int | None
    """The OS thread, where there was one to look at."""
    goroutine: int | None
    frames: tuple[Frame, ...]
    gaps: tuple[Gap, ...] = ()
    created_by: CreatedBy | None = None


@dataclass(frozen=True, slots=True)
class GoroutineGroup:
    """Goroutines whose stacks are equal."""

    count: int
    state: str
    """As Go's own traceback words it: ``"chan receive"``, ``"syscall"``."""
    function: str | None
    """The user function nearest to where they stand; None for goroutines of the runtime only."""


@dataclass(frozen=True, slots=True)
class Crash:
    """What killed a program, with the mixed backtrace of the place where it happened."""

    signal: str | None
    """``"SIGSEGV"``; None for a Go panic or fatal error that no signal caused."""
    code: str | None
    """The siginfo code's name, ``"SEGV_MAPERR"`` (sigaction(2))."""
    address: int | None
    """The address at fault, for the signals that have one."""
    cause: str
    """What happened, in one line."""
    backtrace: Backtrace
    registers: tuple[Register, ...] = ()
    words: tuple[int, ...] = ()
    """The words at the stack pointer, lowest address first."""
    recursion: Recursion | None = None
    others: tuple[GoroutineGroup, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be found out, and why."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Where every thread stood when the time was up."""

    threads: tuple[Backtrace, ...]
    others: tuple[GoroutineGroup, ...] = ()
    """The goroutines that were on no thread."""


@dataclass(frozen=True, slots=True)
class FlowStep:
    """One step on a value's way to C."""

    file: str
    line: int
    note: str


@dataclass(frozen=True, slots=True)
class Crossing:
    """A Go value that reaches C against the cgo pointer-passing rules."""

    kind: CrossingKind
    origin: Origin
    file: str | None
    line: int | None
    c_function: str | None
    message: str
    fix: str
    flow: tuple[FlowStep, ...] = ()
    """From the value's birth to where C gets it; empty where that is not known."""
    rule: str | None = None
    """The analyzer's stable id, ``"CGS001"``; None for what other tools found."""


@dataclass(frozen=True, slots=True)
class TracedFunction:
    """A C function that was called while what C is given was traced."""

    name: str
    calls: int
    """How many of its calls were looked at."""
    let_go: bool
    """The later ones were not: that would cost too much of the program's time."""


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """What the trace of crossings at run time looked at, and what not."""

    functions: tuple[TracedFunction, ...]
    """The C functions that Go called with arguments that can hold a pointer, by name."""
    missing: tuple[str, ...] = ()
    """What could not be traced, and why: the whole program, or one function."""
    notes: tuple[str, ...] = ()
    """What else could not be done."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """One watched run of a program."""

    binary: Binary
    args: tuple[str, ...]
    exit: Exit
    duration: float | None
    """Seconds from the program's first instruction to its end; time spent in the debugger is taken off. None for one
    that was not run here (a core file, a process found running)."""
    stdout: str
    """Decoded as UTF-8; bytes that are not UTF-8 survive as surrogate escapes. Kept to a bound: see `notes`."""
    stderr: str
    stacks: tuple[ThreadStack, ...]
    goroutines: GoroutineStacks | None = None
    crash: Crash | None = None
    hang: Hang | None = None
    crossings: tuple[Crossing, ...] = ()
    trace: TraceSummary | None = None
    """What the trace of crossings looked at; None where it was not asked for."""
    samples: tuple[Sample, ...] = ()
    """Looks at the running program in order of time, the last one at its end; at most some hundred."""
    notes: tuple[str, ...] = field(default=())
    """What could not be measured or kept, and why."""
