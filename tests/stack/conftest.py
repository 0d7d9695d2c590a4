"""The tests of the running containers. They need a Docker engine and the images (`./sidemirror build`)."""

from fix_stack import new_stack, private, pytest_runtest_makereport, stack

__all__ = ["new_stack", "private", "pytest_runtest_makereport", "stack"]
