"""The console command `starchart`. run_gpt2.py and compare.py call it too.

Other modules are imported inside `main`: this file loads in a millisecond, and from then on Ctrl-C is handled.
"""

import sys


# The annotations are strings: an older Python must be able to load this file and print the line below.
def main(arguments: "list[str] | None" = None, program: str = "starchart") -> int:
    """Run the command line and return the exit code. `program` is how the user calls it, for --help.

    Exit codes: 0 success; 1 a check of `compare` failed; 2 bad input, or nothing that `compare` could check, with one
    line on standard error that says what is wrong and what to do; 130 Ctrl-C.
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
