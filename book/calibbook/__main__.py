"""`python -m calibbook params/embedded.yaml`: compute a study, execute the notebooks with its parameters and build the
book.
"""

import argparse
import sys
from pathlib import Path

from calibbook.build import build, check_ready
from calibprune import __version__
from calibprune.errors import ended_in_one_line
from calibprune.study.study import Study


def main() -> None:
    """Build the book of a parameter file and print the path of its first page."""
    parser = argparse.ArgumentParser(
        prog="python -m calibbook", description="Compute a study, execute the notebooks and build the book."
    )
    parser.add_argument("params", type=Path, help="a YAML file of parameters, for example params/embedded.yaml")
    parser.add_argument("--version", action="version", version=f"calibprune {__version__}")
    study = Study.from_yaml(params := parser.parse_args().params)
    check_ready()
    study.run()
    print(build(params, inputs=study.fingerprint()))


if __name__ == "__main__":
    with ended_in_one_line("calibbook", "the same command goes on where it was"):
        main()
    sys.exit()
