"""The console command `starchart`, which the front doors call too. What it needs is loaded by `main`, not here.

So Ctrl-C is met as soon as this file is loaded, which takes a millisecond.
"""

import sys


# The annotations are strings, so that an older Python gets as far as the line that names it.
def main(arguments: "list[str] | None" = None, program: str = "starchart") -> int:
    """Run the command line and return the exit code. `program` is how the user calls it, for --help.

    0 done, 1 `compare` found something that fails, 2 something is wrong with the input (one line on standard error
    says what and what to do), 130 Ctrl-C.
    """
    if sys.version_info < (3, 11):  # noqa: UP036  an older Python gets one line, not a traceback
        sys.stderr.write("starchart: this is Python " + sys.version.split()[0] + "; 3.11 or newer is needed\n")
        return 2
    try:
        from starport.terminal.signals import interrupts_held_back  # noqa: PLC0415

        with interrupts_held_back():
            from starport.commands.command_line import run_command_line  # noqa: PLC0415

        return run_command_line(sys.argv[1:] if arguments is None else arguments, program)
    except KeyboardInterrupt:
        return 130
