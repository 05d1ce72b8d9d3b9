"""`python -m saymask.cli`: the command where its script is not on the path."""

from saymask.cli import main

main()
