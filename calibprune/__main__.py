"""`python -m calibprune`: the same as the program `calibprune`."""

from calibprune.cli import main

if __name__ == "__main__":
    main()
