"""`python -m calibbook params/embedded.yaml`: compute a study, execute the notebooks with its parameters and build the
book.
"""

import argparse
import sys
from pathlib import Path

from calibbook.build import build
from calibprune.errors import ended_in_one_line
from calibprune.study.study import Study


def main() -> None:
    """Build the book of a parameter file and print the path of its first page."""
    parser = argparse.ArgumentParser(
        prog="python -m calibbook", description="Compute a study, execute the notebooks and build the book."
    )
    parser.add_argument("params", type=Path, help="a YAML file of parameters, for example params/embedded.yaml")
    study = Study.from_yaml(params := parser.parse_args().params)
    study.run()
    print(build(params, inputs=study.fingerprint()))


if __name__ == "__main__":
    with ended_in_one_line("calibbook"):
        main()
    sys.exit()
