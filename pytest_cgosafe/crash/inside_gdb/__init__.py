"""What runs inside gdb's own Python: mixed backtraces of Go and C, and what can be said about a crash.

gdb imports this package by itself, without the rest of pytest_cgosafe, and perhaps with an older Python than the one
that runs the tests: it uses the standard library and gdb's module only, and nothing newer than Python 3.8.
"""
