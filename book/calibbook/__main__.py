"""`python -m calibbook` builds the book of the published run, beside a small study that it computes afresh;
`python -m calibbook params/embedded.yaml` computes a study and builds the book of that.
"""

import argparse
import sys
from pathlib import Path

from calibbook.build import build, check_ready
from calibbook.published import build_published
from calibprune import __version__
from calibprune.errors import ended_in_one_line
from calibprune.study.study import Study


def main() -> None:
    """Build a book and print the path of its first page."""
    parser = argparse.ArgumentParser(
        prog="python -m calibbook", description="Compute a study, execute the notebooks and build the book."
    )
    parser.add_argument(
        "params",
        type=Path,
        nargs="?",
        help="a YAML file of parameters, for example params/embedded.yaml; without it the book is that of the "
        "published run, beside a small study that is computed afresh",
    )
    parser.add_argument("--version", action="version", version=f"calibprune {__version__}")
    params = parser.parse_args().params
    if params is None:
        print(build_published())
        return
    study = Study.from_yaml(params)
    check_ready()
    study.run()
    print(build(params, inputs=study.fingerprint()))


if __name__ == "__main__":
    with ended_in_one_line("calibbook", "the same command goes on where it was"):
        main()
    sys.exit()
