"""`python -m regsearch`: the command."""

from regsearch.search.cli import main

main()
