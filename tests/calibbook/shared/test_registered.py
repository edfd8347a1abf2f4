"""The file of claims: it agrees with the code, and families of tests are corrected together."""

import ast
import importlib

import numpy as np
import pandas as pd
import pytest

from calibbook.checkout import ROOT
from calibbook.shared.claims import Claim, claims_frame
from calibbook.shared.comparison import holm
from calibbook.shared.registered import KINDS, by_words, fingerprint, registered, wording

CLAIMS = registered()
FINDINGS = 57
"""Claims, findings and advice of the paper, as they were counted."""


def used() -> set[str]:
    """The ids that the book's code asks for, those with a blank for a relation spelt out."""
    found = set()
    for path in (ROOT / "book/calibbook").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "wording" and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant):
                    found.add(name.value)
                else:
                    assert isinstance(name, ast.JoinedStr), f"{path}: an id is written out"
                    start = name.values[0].value
                    found |= {start + relation for relation in ("family", "script")}
    return found


def test_every_claim_of_the_file_is_tested_or_says_why_not_and_the_code_knows_no_other():
    assert used() == {name for name, claim in CLAIMS.items() if not claim.untested}
    with pytest.raises(KeyError):
        wording("4.9-not-there")


def test_every_finding_of_the_paper_is_there():
    assert {claim.finding for claim in CLAIMS.values()} == set(range(FINDINGS + 1))
    assert all((claim.finding == 0) == (claim.section == "beyond") for claim in CLAIMS.values())


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=list(CLAIMS))
def test_a_claim_is_complete(claim):
    assert claim.id == next(name for name, other in CLAIMS.items() if other is claim)
    assert claim.kind in KINDS and claim.claim and claim.evidence
    assert bool(claim.test) == bool(claim.family) == bool(claim.measure and not claim.untested)
    assert claim.untested.endswith(".") or not claim.untested
    assert claim.margin or claim.kind != "equivalence" or claim.untested
    if claim.test:
        module, function = claim.test.split(":")
        assert callable(getattr(importlib.import_module(f"calibbook.{module}"), function))


def test_words_and_ids_are_told_apart():
    assert len(by_words()) == len(CLAIMS)
    lines = [line for line in (ROOT / "book/calibbook/claims.yaml").read_text().splitlines() if line.startswith("- id")]
    assert len(lines) == len(CLAIMS)
    assert len(fingerprint()) == 64


def test_a_family_is_corrected_together_and_a_verdict_falls_with_its_p():
    words = [wording("4.1-target-best"), wording("4.1-target-better"), wording("4.2-spread")]
    rows = [
        Claim(words[0], model="a", p=0.001, verdict="held"),
        Claim(words[1], model="a", p=0.03, verdict="not held", note="so"),
        Claim(words[1], model="a", p=0.04, verdict="held"),
        Claim(words[1], model="b", p=0.04, verdict="held"),
        Claim(words[2], model="a", p=0.04, verdict="held"),
        Claim(words[0], model="a", p=0.9, verdict="not held"),
        Claim(words[0], model="a"),
    ]
    found = claims_frame(rows)
    mine = [0, 1, 2, 5]
    np.testing.assert_allclose(found["p_holm"][mine], holm([rows[i].p for i in mine]))
    assert found["verdict"].tolist() == ["held", "undecided", "undecided", "held", "held", "not held", "undecided"]
    assert found["note"].tolist()[1:3] == ["so; not beyond chance in 4 tests", "not beyond chance in 4 tests"]
    assert found["p_holm"][[3, 4]].tolist() == [0.04, 0.04] and np.isnan(found["p_holm"][6])
    assert isinstance(claims_frame([]), pd.DataFrame) and "p_holm" in claims_frame([])
