"""The paper's own numbers for Section 4.1, as far as its text states them; its Tables 1 and 6 are pictures."""

from pathlib import Path

from calibbook.shared.paper import Numbers

NUMBERS = Numbers(Path(__file__).with_name("paper.csv"))
