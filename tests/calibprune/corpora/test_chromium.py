"""The data pack reader on packs made here, the choice of messages, and the splits of the real ones."""

import struct

import pytest

from calibprune.corpora import chromium, corpus, fingerprint
from calibprune.corpora.cleaning import has_markup, sameness
from calibprune.corpora.pak import read_pak
from calibprune.errors import CorpusError
from calibprune.languages import LANGUAGES, PAPER_LANGUAGES


def pack(texts: dict[int, bytes], aliases: dict[int, int] | None = None, version=5, encoding=1) -> bytes:
    aliases = aliases or {}
    offset = 12 + 6 * (len(texts) + 1) + 4 * len(aliases)
    head, body = struct.pack("<IBxxxHH", version, encoding, len(texts), len(aliases)), b""
    for identity, text in texts.items():
        head += struct.pack("<HI", identity, offset + len(body))
        body += text
    head += struct.pack("<HI", 0, offset + len(body))
    return head + b"".join(struct.pack("<HH", *alias) for alias in aliases.items()) + body


GOOD = pack({7: b"eins", 9: "größer".encode(), 12: b"\x1f\x8b\x08\x00packed"}, {8: 1, 30: 0})


def test_pak_texts_aliases_and_compressed(tmp_path):
    (tmp_path / "de.pak").write_bytes(GOOD)
    assert read_pak(tmp_path / "de.pak") == {7: "eins", 8: "größer", 9: "größer", 30: "eins"}


@pytest.mark.parametrize("version", [4, 6, 0])
def test_pak_of_another_version(tmp_path, version):
    (tmp_path / "de.pak").write_bytes(pack({1: b"x"}, version=version))
    with pytest.raises(CorpusError, match=rf"de\.pak: .*version is {version}, only version 5"):
        read_pak(tmp_path / "de.pak")


def test_pak_cut_short_anywhere(tmp_path):
    path = tmp_path / "de.pak"
    for size in range(len(GOOD)):
        path.write_bytes(GOOD[:size])
        with pytest.raises(CorpusError, match=r"de\.pak: not a usable \.pak file") as caught:
            read_pak(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        pack({1: b"x"}, encoding=2),
        pack({1: b"\xff\xfe"}),
        pack({1: b"x"}, {5: 3}),
        pack({1: b"xyz", 2: b"x"})[:14] + b"\xff\x00\x00\x00" + pack({1: b"xyz", 2: b"x"})[18:],
    ],
    ids=["encoding", "not UTF-8", "alias to nowhere", "offsets out of order"],
)
def test_pak_damaged(tmp_path, data):
    (tmp_path / "de.pak").write_bytes(data)
    with pytest.raises(CorpusError, match=r"not a usable \.pak file"):
        read_pak(tmp_path / "de.pak")


def test_pak_missing(tmp_path):
    with pytest.raises(CorpusError, match="cannot be read"):
        read_pak(tmp_path / "no.pak")


def test_package_missing(monkeypatch):
    monkeypatch.setattr(chromium, "PACKAGE", "not-an-installed-package")
    with pytest.raises(CorpusError, match="pip install --no-deps not-an-installed-package"):
        chromium._package()


def test_select_keeps_what_all_languages_say_in_their_own_words():
    messages = {
        # id: (English, German), whether it is kept
        1: ("Open the window", "Fenster öffnen", True),
        2: ("Open", "Öffnen", False),  # short
        3: ("Open $1 windows", "$1 Fenster öffnen", False),  # placeholder
        4: ("Close all of them", "{N, plural, one {x}}", False),  # pattern in one language
        5: ("Untranslated text", "Untranslated text", False),
        6: ("Open THE window!", "Ein Fenster öffnen", False),  # English as 1
        7: ("Let the window open", "Fenster öffnen …", False),  # German as 1
        8: ("Let the window be", "Das Fenster lassen", True),
        9: ("Only punctuation", "…", False),
        10: ("Let the &window be shut", "Das Fenster (&F) schließen", True),
    }
    packs = {language: {i: m[k] for i, m in messages.items()} for k, language in enumerate(["en", "de"])}
    packs["en"][11] = "Message without a translation"
    kept = chromium.select(packs, shortest=10)
    assert list(kept) == [i for i, m in messages.items() if m[2]]
    assert kept[10] == {"en": "Let the window be shut", "de": "Das Fenster schließen"}


def test_messages_are_parallel_and_enough():
    for split in ("calibration", "validation"):
        sizes = {len(corpus("chromium", language, split)) for language in PAPER_LANGUAGES}
        assert len(sizes) == 1
    assert len(chromium.messages()) == 2829
    held_out = sum(held_out for _, held_out in chromium.messages().values())
    assert 0.17 < held_out / len(chromium.messages()) < 0.23
    english, german = (corpus("chromium", language) for language in ("en", "de"))
    assert english[0] != german[0]
    ids = [i for i, (_, held_out) in chromium.messages().items() if not held_out]
    assert ids == sorted(ids)
    assert [chromium.messages()[i][0]["de"] for i in ids] == german


def test_splits_share_no_text_and_no_translation():
    for language in PAPER_LANGUAGES:
        calibration, validation = (
            [sameness(text) for text in corpus("chromium", language, split)] for split in ("calibration", "validation")
        )
        assert len(set(calibration)) == len(calibration)
        assert len(set(validation)) == len(validation)
        assert set(calibration).isdisjoint(validation)


def test_near_copies_stand_in_one_split():
    of = {texts["en"]: held_out for texts, held_out in chromium.messages().values()}
    pairs = [(on, on.replace("setting is on", "setting is off")) for on in of if "setting is on" in on]
    pairs = [(on, off) for on, off in pairs if off in of]
    assert pairs
    assert all(of[on] == of[off] for on, off in pairs)


def test_the_list_holds_what_is_chosen_from_all_languages():
    packs = {language: chromium._pack(language) for language in LANGUAGES}
    assert chromium.choose(packs) == chromium.chosen()


def test_another_version_of_the_package_is_chosen_from_anew(monkeypatch, caplog):
    known = chromium.chosen()
    packs = {"en": {3: "Open the window please, it is warm"}, "de": {3: "Bitte das Fenster öffnen, es ist warm"}}
    monkeypatch.setattr(chromium, "CHOSEN_FROM", "6.0")
    monkeypatch.setattr(chromium, "FILES", dict.fromkeys(packs))
    monkeypatch.setattr(chromium, "_pack", packs.get)
    with caplog.at_level("INFO", "calibprune"):
        assert list(chromium.chosen.__wrapped__()) == [3] != list(known)
    assert "choosing its messages takes some seconds" in caplog.text


def test_every_language_and_variant_has_the_same_messages():
    assert len(LANGUAGES) == 49
    sizes = {code: len(corpus("chromium", code, "validation")) for code in (*LANGUAGES, *chromium.VARIANTS)}
    assert len(sizes) == 53 and set(sizes.values()) == {530}
    assert corpus("chromium", "pt-PT") != corpus("chromium", "pt")


def test_messages_are_clean():
    for texts, _ in chromium.messages(tuple(LANGUAGES)).values():
        assert not any(map(has_markup, texts.values()))
        assert all(texts[language] != texts["en"] for language in texts if language != "en")


def test_fingerprint_depends_on_languages():
    assert fingerprint("chromium") == fingerprint("chromium", [*LANGUAGES, *chromium.VARIANTS])
    assert fingerprint("chromium", ["de"]) != fingerprint("chromium", ["sw"])
