"""The commands of `relayctl`. Each module is one command of the same name, so a new command is a new module.

The first line of a module's docstring is the command's help, and the whole docstring its description. A
module has two functions: `add_arguments(parser)` and `run(arguments)`, which returns the exit code. It
imports what it needs when it runs, so that every other command starts quickly.
"""
