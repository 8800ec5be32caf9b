"""The commands. Each module here is one, by its name; adding a command is adding a module.

A module has a docstring, whose first line is the command's help, and two functions:
`add_arguments(parser)` and `run(arguments)`, which returns the exit code.
"""
