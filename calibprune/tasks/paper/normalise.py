"""Answers made comparable before they are compared, in the way of MKQA's authors, by language.

The rules are those of the evaluation script that its authors publish (Longpre et al. 2021, github.com/apple/ml-mkqa),
kept to the letter so that scores can be compared with theirs: lower case; the ASCII punctuation marks go and no others
(`«`, `؟` and `。` stay); articles become a space; white space separates tokens, except where words are not separated,
in Chinese, Japanese, Khmer and Thai: there each character is one, Latin letters and digits too. The Arabic article is
removed wherever its two letters stand, inside a word as well, which splits the word there; French and Italian ones are
removed at the beginning of longer words too.
"""

import re
import string

ARTICLES = {
    "ar": r"ال",
    "da": r"\b(?:en|et)\b",
    "de": r"\b(?:der|die|das|den|dem|des|ein|eine|einen|einem|eines|einer)\b",
    "en": r"\b(?:the|a|an)\b",
    "es": r"\b(?:el|la|los|las|un|una|unos|unas)\b",
    "fi": r"\b(?:se|yks|yksi)\b",
    "fr": r"\b(?:le|la|les|du|de|des|un|une)",
    "hu": r"\b(?:a|az|egy)\b",
    "it": r"\b(?:il|lo|la|i|gli|le|del|dello|della|dei|degli|delle|uno|una|un)",
    "nb": r"\b(?:en|et|ei)\b",
    "nl": r"\b(?:de|het|een|des|der|den)\b",
    "pt": r"\b(?:o|a|os|as|um|uma|uns|umas)\b",
    "sv": r"\b(?:en|ett)\b",
    "vi": r"\b(?:của|là|cái|chiếc|những)\b",
}
BY_CHARACTER = ("ja", "km", "th", "zh", "zh-HK", "zh-TW")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def tokens(text: str, language: str) -> list[str]:
    """The tokens of an answer that count; none for an empty answer and for one of articles and punctuation only."""
    text = text.lower().translate(_NO_PUNCTUATION)
    if language in ARTICLES:
        text = re.sub(ARTICLES[language], " ", text)
    words = text.split()
    return list("".join(words)) if language in BY_CHARACTER else words
