"""Answers made comparable before they are compared, in the way of MKQA's authors, by language.

The rules are those of the evaluation script that its authors publish (Longpre et al. 2021, github.com/apple/ml-mkqa),
kept to the letter so that scores can be compared with theirs: lower case; the ASCII punctuation marks go and no others
(`«`, `؟` and `。` stay); articles become a space; white space separates tokens, except in Chinese, where each character
is one, Latin letters and digits too. The Arabic article is removed wherever its two letters stand, inside a word as
well, which splits the word there.
"""

import re
import string

ARTICLES = {
    "ar": r"ال",
    "de": r"\b(?:der|die|das|den|dem|des|ein|eine|einen|einem|eines|einer)\b",
    "en": r"\b(?:the|a|an)\b",
    "es": r"\b(?:el|la|los|las|un|una|unos|unas)\b",
}
BY_CHARACTER = ("zh",)
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def tokens(text: str, language: str) -> list[str]:
    """The tokens of an answer that count; none for an empty answer and for one of articles and punctuation only."""
    text = text.lower().translate(_NO_PUNCTUATION)
    if language in ARTICLES:
        text = re.sub(ARTICLES[language], " ", text)
    words = text.split()
    return list("".join(words)) if language in BY_CHARACTER else words
