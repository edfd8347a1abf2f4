"""MKQA: token F1 and exact match by hand in six languages; its filter; its file formats; its task in the harness."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibprune.languages import LANGUAGES
from calibprune.tasks.mkqa import scores
from calibprune.tasks.normalise import tokens

BY_HAND = [
    # language, prediction, accepted answers, F1, exact match
    ("en", "Dave Edmunds", ["Dave Edmunds"], 1, 1),
    ("en", "  the DAVE, Edmunds!", ["Dave Edmunds"], 1, 1),  # case, article, punctuation and white space
    ("en", "Dave", ["Dave Edmunds"], 2 / 3, 0),  # precision 1, recall 1/2
    ("en", "Dave Edmunds of Cardiff", ["Dave Edmunds"], 2 / 3, 0),  # precision 1/2, recall 1
    ("en", "theory", ["the ory"], 0, 0),  # an article is a whole word
    ("en", "New York New York", ["New York"], 2 / 3, 0),  # a repeated token counts once for each time it is accepted
    ("en", "in 1990", ["1990", "in June 1990"], 0.8, 0),  # the better answer counts: 2 of 2 and 2 of 3, not 1 of 2
    ("de", "Das ist ein Apfel.", ["der Apfel", "ist Apfel"], 1, 1),
    ("de", "Straße", ["strasse"], 0, 0),  # lower case, not case folding
    ("es", "¿la Casa Blanca?", ["casa blanca"], 0.8, 0),  # `¿` is no ASCII punctuation and stays, as a token once `la` is gone
    ("es", "Los Ángeles", ["ángeles"], 1, 1),
    ("ru", "Лев Толстой", ["Толстой, Лев"], 1, 0),  # the order of tokens matters to exact match only
    ("ru", "лев николаевич толстой", ["Лев Толстой"], 0.8, 0),
    ("ar", "التفاحة", ["تفاحة"], 1, 1),
    ("ar", "خالد", ["خ د"], 1, 1),  # the article is removed inside words too, as the authors do
    ("ar", "القاهرة", ["مدينة القاهرة"], 2 / 3, 0),
    ("zh", "苹果", ["苹 果"], 1, 1),
    ("zh", "红苹果", ["青苹果"], 2 / 3, 0),
    ("zh", "NBA", ["nba 联赛"], 0.75, 0),  # each letter is a token: 3 of 3 and 3 of 5
    ("zh", "巴黎。", ["巴黎"], 0.8, 0),  # the full stop is not ASCII and stays
]


@pytest.mark.parametrize(("language", "prediction", "answers", "f1", "em"), BY_HAND)
def test_scores_by_hand(language, prediction, answers, f1, em):
    assert scores(prediction, answers, language) == pytest.approx({"f1": f1, "em": em})


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_answer_is_right_only_where_it_is_accepted(language):
    assert scores("", [""], language) == {"f1": 1.0, "em": 1.0}
    assert scores("", ["42"], language) == {"f1": 0.0, "em": 0.0}
    assert scores("42", [""], language) == {"f1": 0.0, "em": 0.0}


@given(st.sampled_from(list(LANGUAGES)), st.text(max_size=30), st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_scores_are_bounded_and_an_exact_match_has_all_of_f1(language, prediction, answers):
    found = scores(prediction, answers, language)
    assert 0 <= found["em"] <= found["f1"] <= 1
    assert scores(answers[-1], answers, language) == {"f1": 1.0, "em": 1.0}
    assert scores(prediction, [*answers, prediction], language)["f1"] == 1.0


@given(st.sampled_from(list(LANGUAGES)), st.text(max_size=30))
def test_normalised_tokens_are_not_empty_and_have_no_white_space(language, text):
    assert all(token.strip() and token.split() == [token] for token in tokens(text, language))
