"""What the pages of reference say agrees with what they are about."""

import re
import tomllib

import yaml

from calibbook import readme as readme_module
from calibbook.checkout import ROOT
from calibprune.commands import app
from calibprune.study.cells import NUMERICS

CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def bibtex(text: str, key: str) -> dict[str, str]:
    """The fields of one entry, without braces."""
    entry = re.search(rf"@\w+\{{{key},\n(.*?)\n\}}", text, re.DOTALL)[1]
    fields = re.findall(r"^ *(\w+) *= *\{(.*)\},?$", entry, re.MULTILINE)
    return {name: value.replace("{", "").replace("}", "") for name, value in fields}


def test_the_citation_is_that_of_this_package():
    assert CITATION["cff-version"] == "1.2.0" and CITATION["message"]
    assert (CITATION["version"], CITATION["license"]) == (PROJECT["version"], PROJECT["license"])
    page = (ROOT / "book" / "how_to_cite.md").read_text(encoding="utf-8")
    own = bibtex(page, "calibprune")
    assert (own["title"], own["version"], own["license"]) == tuple(CITATION[n] for n in ("title", "version", "license"))
    assert [{"name": own["author"]}] == CITATION["authors"]


def test_the_paper_is_cited_alike_everywhere():
    known = bibtex((ROOT / "book" / "references.bib").read_text(encoding="utf-8"), "kurz2026limitations")
    known.pop("url")
    assert bibtex((ROOT / "book" / "how_to_cite.md").read_text(encoding="utf-8"), "kurz2026limitations") == known
    (paper,) = CITATION["references"]
    assert (paper["title"], paper["doi"], str(paper["year"])) == (known["title"], known["doi"], known["year"])
    assert f"{paper['start']}--{paper['end']}" == known["pages"]
    authors = " and ".join(f"{one['family-names']}, {one['given-names']}" for one in paper["authors"])
    assert authors == known["author"]


def test_every_term_is_explained_once_and_in_order():
    page = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    listed = re.search(r"```\{glossary\}\n(.*?)\n```", page, re.DOTALL)[1]
    terms = re.findall(r"^(\S.*)\n  \S", listed, re.MULTILINE)
    assert len(terms) > 25 and len(terms) == len(re.findall(r"^\S", listed, re.MULTILINE))
    assert terms == sorted(set(terms), key=str.lower)


def test_commands_of_the_first_page_are_right_where_a_reader_stands():
    page = (ROOT / "book" / "intro.md").read_text(encoding="utf-8")
    commands = [line for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    begun = [line.split()[0] for line in commands if not line.startswith(" ")]
    assert {"make", ".venv/bin/papermill", ".venv/bin/calibprune"} == set(begun)


def test_every_number_of_the_answer_in_the_readme_is_written_by_its_module():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "in which language should I calibrate, and what do I lose?" in readme
    answer = re.search(r"\n## The answer\n(.*?)\n    make ", readme, re.DOTALL)[1]
    assert not re.search(r"\d", readme_module.replaced(answer, ""))


def test_what_the_readme_and_contributing_tell_make_to_do_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        told = re.findall(r"(?:^    |`)(?:[A-Z_]+=\S+ )?make ([a-z]+)(?: PARAMS=(\S+?\.yaml))?", text, re.MULTILINE)
        assert told and {target for target, _ in told} <= targets
        assert all((ROOT / file).is_file() for _, file in told if file)


def test_every_version_of_the_arithmetic_is_explained():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert [int(n) for n in re.findall(r"^\| (\d+) \| \d{4}-", text, re.MULTILINE)] == list(range(NUMERICS, 0, -1))
    assert PROJECT["version"] in text
    assert "../CHANGELOG.md" in (ROOT / "book" / "changelog.md").read_text(encoding="utf-8")


def test_commands_and_extras_of_the_changelog_are_there():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`calibprune (\w+)`", text))
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert named and named <= known
    assert set(re.findall(r"extra `(\w+)`", text)) <= set(PROJECT["optional-dependencies"])
