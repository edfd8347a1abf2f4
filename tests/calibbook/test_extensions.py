"""What the book's own Sphinx extensions (book/_ext) do to a page, a style sheet and a notebook."""

import base64
import io
import struct

import attachments
import descriptions
import notebook_sources
import page_loads
import pytest
import search_words
import unused
from PIL import Image
from sphinx.errors import ExtensionError

WORDS = {"table", "note", "sd-w", "1"}


@pytest.mark.parametrize(
    ("style", "kept"),
    [
        (".table{color:red}.gone{color:blue}", ".table{color:red}"),
        (".table,.gone{color:red}", ".table{color:red}"),
        (".table .gone,a>b{x:y}", "a>b{x:y}"),
        ("@media print{.gone{x:y}.note{x:y}}", "@media print{.note{x:y}}"),
        ("@media print{.gone{x:y}}", ""),
        ("a:not(.gone){x:y}", "a:not(.gone){x:y}"),
        ("a:is(.gone,.table){x:y}", "a:is(.gone,.table){x:y}"),
        ('a[title=".gone"]{x:y}', 'a[title=".gone"]{x:y}'),
        ('.table{background:url("data:a;b,{.gone}")}', '.table{background:url("data:a;b,{.gone}")}'),
        (".table{background:url(data:a;b,c)}", ".table{background:url(data:a;b,c)}"),
        ('@charset "utf-8";/* .a{ */.table{x:y}', '@charset "utf-8";\n.table{x:y}'),
        ("@font-face{src:url(a)}", "@font-face{src:url(a)}"),
        ("#gone{x:y}#note{x:y}", "#note{x:y}"),
        (r".sd-w-1\/2{x:y}", ""),
    ],
)
def test_rules_stay_that_may_fit_something(style, kept):
    assert unused.used_rules(style, WORDS) == kept


def test_signs_are_found_by_number_and_as_they_are():
    assert unused.signs_in('.a{content:"\\f058"}.b{--sign:"\uf06a"}.c{color:#f05812}') == {0xF058, 0xF06A}


SCRIPT = 'var a={"square-up":[1,512,[],"f1","M0"],up:[384,512,["x"],"f062","M1 2"]},b={"file-up":[9,512,[],"f2","M9"]}'


def test_an_icon_is_drawn_into_the_page():
    page = '<p><i class="theme fa-solid fa-up  fa-lg" data-mode="dark" title="Dark"></i></p>'
    drawn = page_loads.drawn(page, SCRIPT)
    assert drawn.startswith('<p><svg class="svg-inline--fa theme fa-solid fa-up fa-lg" data-mode="dark" title="Dark"')
    assert 'viewBox="0 0 384 512"><path fill="currentColor" d="M1 2">' in drawn and "<i" not in drawn


def test_an_icon_that_the_theme_has_not_got_stops_the_build():
    with pytest.raises(ExtensionError, match="no icon down"):
        page_loads.drawn('<i class="fas fa-down"></i>', SCRIPT)


def test_a_page_loads_the_index_for_a_search_alone():
    index = '<script src="searchindex.js"></script>'
    page = f"{index}<script src='own.js'></script>"
    assert page_loads.lean(page, is_search=True) == page
    assert page_loads.lean(page, is_search=False) == page.replace(index, "")


def test_a_picture_becomes_a_file_and_keeps_its_size(tmp_path):
    data = io.BytesIO()
    Image.new("RGB", (30, 20)).save(data, "png")
    assert struct.unpack(">II", data.getvalue()[16:24]) == (30, 20)
    inside = f'<img src="data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}" alt="a">' * 2
    page = attachments.as_files(inside, tmp_path, "x/{}".format)
    (file,) = tmp_path.iterdir()  # the same picture once
    assert page == f'<img src="x/{file.name}" width="30" height="20" loading="lazy" decoding="async" alt="a">' * 2
    assert file.read_bytes() == data.getvalue()
    both = f'<source srcset="{inside[10 : inside.index(" alt") - 1]}">'
    assert (
        attachments.as_files(both, tmp_path, "x/{}".format) == f'<source srcset="x/{file.name}" width="30" height="20">'
    )


def test_a_page_is_described_by_its_first_paragraph():
    titles = '<h1>Title</h1><p class="admonition-title">In short</p><p> </p>'
    page = f"{titles}<p><strong>What</strong> it\nsays &amp; <em>why</em>.</p>"
    assert descriptions.first_paragraph(page) == "What it says & why."
    assert descriptions.first_paragraph("<h1>Title</h1>") == ""
    long = descriptions.shortened("word " * 100)
    assert len(long) <= descriptions.LONGEST and long.endswith("word…")
    context = {"body": page.replace("why", '"why"'), "metatags": "<meta>"}
    descriptions._describe(None, "", "", context, None)
    assert context["metatags"].startswith("<meta>")
    assert "&quot;why&quot;" in context["metatags"]


def test_a_notebook_keeps_its_source_and_parameters():
    code = {"cell_type": "code", "id": "a", "source": "1", "outputs": [{}], "execution_count": 3}
    code["metadata"] = {"papermill": {"status": "completed"}, "tags": ["injected-parameters"]}
    text = {"cell_type": "markdown", "id": "b", "source": "words", "metadata": {}}
    whole = {"cells": [code, text], "metadata": {"papermill": {}, "kernelspec": {"name": "python3"}}, "nbformat": 4}
    bare = notebook_sources.without_outputs(whole)
    assert bare["cells"][0]["outputs"] == [] and bare["cells"][0]["execution_count"] is None
    assert bare["cells"][0]["metadata"] == {"tags": ["injected-parameters"]} and bare["cells"][1] == text
    assert bare["metadata"] == {"kernelspec": {"name": "python3"}}


def test_heads_of_a_table_of_the_text_say_what_they_are_over_and_no_table_has_a_number_of_its_own():
    page = (
        '<caption><span class="caption-number">Table 1 </span><span>Settings</span></caption>'
        '<tr><th class="head"><p></p></th><th class="head stub"><p>A</p></th></tr>'
        '<tr><th class="stub"><p>B</p></th></tr>'
    )
    assert page_loads.told(page) == (
        "<caption><span>Settings</span></caption>"
        '<tr><td></td><th scope="col" class="head stub"><p>A</p></th></tr>'
        '<tr><th scope="row" class="stub"><p>B</p></th></tr>'
    )


TABLE = (
    "<style>.gone {x: y}</style><p>One &amp; two.</p><table><caption><span>Cells <b>here</b></span></caption><tr>"
    '<th><abbr title="Swahili">SW</abbr></th><td>Wanda</td><td>12.5</td></tr></table>'
)


def test_a_search_finds_what_stands_in_cells_and_what_abbreviations_stand_for():
    assert search_words.words(TABLE) == ["One", "two", "Cells", "here", "Wanda", "Swahili"]


def test_excerpts_have_sentences_and_names_and_no_cells():
    assert search_words.sentences(TABLE) == ["One & two.", "Cells here", "Swahili (SW)"]
