"""Builds the small images of the demo, the tests and the benchmarks from Debian packages, without docker or a network
registry. Standard library only: it runs before anything is installed.
"""
