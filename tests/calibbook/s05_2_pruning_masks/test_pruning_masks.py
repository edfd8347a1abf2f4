"""Section 5.2's page: IoUs read from a store agree with Python sets, tables and figures show them, verdicts follow."""

import math
from itertools import combinations, product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from drawing import draw
from frames import SEVEN
from without_arrays import shelf_without_arrays

from calibbook.s05_2_pruning_masks import claims as claims
from calibbook.s05_2_pruning_masks import data, paper
from calibbook.s05_2_pruning_masks.data import (
    COMPONENTS,
    comparable,
    distances,
    empty,
    grid,
    having,
    keeping,
    similarities,
)
from calibbook.s05_2_pruning_masks.figures import every_pair, figure_2, tree
from calibbook.s05_2_pruning_masks.tables import by_component, every_pair_table, like_with_like, table_16, table_17
from calibbook.shared.claim_tables import readable
from calibbook.shared.languages import fixed_order
from calibprune.errors import ParameterError, StoreError
from calibprune.kernels.packed import pack
from calibprune.schemes import Sparsity
from calibprune.study.cells import Cell
from calibprune.study.shelves import open_shelves
from calibprune.study.store import COLUMNS, Store

NAMES = [f"self_attn.{name}" for name in ("o_proj", "q_proj", "k_proj", "v_proj")] + [
    f"mlp.{name}" for name in ("down_proj", "gate_proj", "up_proj")
]
SHAPE = (12, 10)  # ten columns: two bytes with six bits that are not weights


def cell(language="de", seed=0, method="sparsegpt", sparsity=0.5, metrics=("masks",), model="tiny") -> Cell:
    return Cell(
        model,
        method,
        Sparsity(sparsity),
        (language,),
        seed,
        "chromium",
        4,
        16,
        SEVEN,
        (),
        metrics,
        None,
        (),
        None,
        False,
        "float32",
        "draws" if seed else "languages",
        {"model": "files-sha256:0"},
    )


def random_mask(*about: int, sparsity=0.5) -> torch.Tensor:
    """bool [12, 10], exactly floor(10 * sparsity) pruned in every row."""
    scores = torch.rand(SHAPE, generator=torch.Generator().manual_seed(hash(about) % 2**31))
    return scores < scores.sort(dim=1).values[:, math.floor(SHAPE[1] * sparsity), None]


def masks_of(layers: int, language: int, seed: int, sparsity=0.5) -> dict[str, torch.Tensor]:
    return {
        f"layers.{i}.{name}": random_mask(i, k, language, seed, sparsity=sparsity)
        for i in range(layers)
        for k, name in enumerate(NAMES)
    }


def keep(store: Store, made: Cell, masks: dict[str, torch.Tensor]) -> Cell:
    store.write(
        made, pd.DataFrame(columns=list(COLUMNS)), {}, {"masks": {name: pack(mask) for name, mask in masks.items()}}
    )
    return made


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


@pytest.fixture
def study(store):
    """Three languages, three draws, two layers of random masks: (cells, masks by language and seed)."""
    masks = {
        (language, seed): masks_of(2, place, seed)
        for place, language in enumerate(("de", "en", "zh"))
        for seed in (0, 1, 2)
    }
    return [keep(store, cell(*key), mine) for key, mine in masks.items()], masks


def frame(iou, languages=SEVEN, layers=32, draws=3, methods=("sparsegpt",)) -> pd.DataFrame:
    """What `similarities` returns, with iou(kind, first, second, layer, component)."""
    rows = [
        {
            "model": "tiny",
            "method": method,
            "sparsity": 0.5,
            "pattern": "unstructured",
            "kind": kind,
            "first": first,
            "second": second,
            "draws": draws,
            "layer": layer,
            "component": component,
            "iou": iou(kind, first, second, layer, component),
            "expected": 1 / 3,
        }
        for method in methods
        for kind in ("within", "draw", "between", "language")
        for first, second in (
            combinations(languages, 2) if kind in ("between", "language") else zip(languages, languages, strict=True)
        )
        for layer, component in product(range(layers), COMPONENTS.values())
        if draws > 1 or kind in ("between", "language")
    ]
    return pd.DataFrame(rows)


def papers_picture(kind, first, second, layer, component):
    """Section 5.2 in numbers, with a little difference between languages."""
    one, other = sorted((SEVEN.index(first), SEVEN.index(second)))
    own, odd = 0.002 * (one + other) / 2, 0.002 * ((3 * one + 5 * other) % 7 - 3)
    if layer == 0 and component in ("q", "k", "v"):
        return 0.97 - own + 0.1 * odd
    base = {"attn.out": 0.80 + odd, "ffn.down": 0.82 + 0.5 * odd}.get(component, 0.88) - own
    base += 0.05 if kind == "draw" else 0
    late = 0.03 + odd if component == "attn.out" and layer >= 20 else 0.0
    return base - late if kind == "within" else base + (0.03 + odd) * (2 <= layer < 15)


def sets(masks: dict[str, torch.Tensor], name: str) -> set[tuple[int, int]]:
    return {tuple(place) for place in masks[name].nonzero().tolist()}


def test_every_iou_is_that_of_python_sets(store, study):
    cells, masks = study
    found = similarities(store, cells).set_index(["kind", "first", "second", "layer", "component"])["iou"]
    for layer, name in product(range(2), NAMES):
        key, component = f"layers.{layer}.{name}", COMPONENTS[name.split(".")[-1]]
        pruned = {place: sets(mine, key) for place, mine in masks.items()}
        stable = {
            language: set.intersection(*(pruned[language, seed] for seed in range(3)))
            for language in ("de", "en", "zh")
        }
        for language in stable:
            every = set.union(*(pruned[language, seed] for seed in range(3)))
            assert found["within", language, language, layer, component] == pytest.approx(
                len(stable[language]) / len(every)
            )
            singles = [(pruned[language, a], pruned[language, b]) for a, b in combinations(range(3), 2)]
            assert found["draw", language, language, layer, component] == pytest.approx(
                np.mean([len(a & b) / len(a | b) for a, b in singles])
            )
        for a, b in combinations(stable, 2):
            assert found["between", a, b, layer, component] == pytest.approx(
                len(stable[a] & stable[b]) / len(stable[a] | stable[b])
            )
            singles = [(pruned[a, i], pruned[b, j]) for i, j in product(range(3), repeat=2) if i != j]
            assert found["language", a, b, layer, component] == pytest.approx(
                np.mean([len(x & y) / len(x | y) for x, y in singles])
            )
    assert len(found) == 14 * (3 + 3 + 3 + 3)


def test_the_table_is_kept_and_needs_no_masks(store, study, tmp_path, monkeypatch):
    cells, _ = study
    found = similarities(store, cells)
    compared = data._compared(store, {(made.calibration[0], made.seed): made for made in cells})
    pd.testing.assert_frame_equal(found, compared)
    shelf = shelf_without_arrays(store.root, tmp_path / "shelf")
    own = Store(tmp_path / "own", open_shelves([shelf]))
    pd.testing.assert_frame_equal(similarities(own, cells), found)
    pd.testing.assert_frame_equal(similarities(own, cells[::-1]), found)  # the order of a study's languages is nothing
    with pytest.raises(StoreError, match=r"without 'masks'.*take this shelf out") as caught:
        similarities(own, cells[:3])
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(data, "VERSION", data.VERSION + 1)
    with pytest.raises(StoreError, match="without 'masks'"):
        similarities(own, cells)


def test_the_zero_line_follows_the_density_of_the_masks(store, study):
    cells, masks = study
    found = similarities(store, cells)
    assert np.allclose(found.loc[found["kind"].isin(["draw", "language"]), "expected"], 1 / 3)
    assert np.allclose(found.loc[found["kind"] == "within", "expected"], 1 / 7)
    name = "layers.1.mlp.down_proj"
    density = {
        language: len(set.intersection(*(sets(masks[language, seed], name) for seed in range(3)))) / 120
        for language in ("de", "zh")
    }
    row = found[
        (found.kind == "between")
        & (found["first"] == "de")
        & (found.second == "zh")
        & (found.layer == 1)
        & (found.component == "ffn.down")
    ]
    both = density["de"] * density["zh"]
    # of 120 weights, not of 16 bits a row
    assert row["expected"].item() == pytest.approx(both / (sum(density.values()) - both))


def test_random_masks_are_at_the_zero_line(store, study):
    means = similarities(store, study[0]).groupby("kind")[["iou", "expected"]].mean()
    assert np.allclose(means["iou"], means["expected"], atol=0.03)


def test_layers_and_the_papers_components_in_order(store, study):
    found = similarities(store, study[0])
    mine = found[(found["kind"] == "within") & (found["first"] == "de")]
    assert list(zip(mine["layer"], mine["component"], strict=True)) == list(product((0, 1), COMPONENTS.values()))
    assert set(found["draws"]) == {3}


def test_one_draw_gives_pairs_alone(store, study):
    found = similarities(store, [made for made in study[0] if made.seed == 0])
    assert set(found["kind"]) == {"between", "language"}
    table = found.pivot(index=["first", "second", "layer", "component"], columns="kind", values="iou")
    assert np.array_equal(table["between"], table["language"])
    assert like_with_like(found).empty and claims.language_beyond_draw(found).empty


def test_one_language_gives_draws_alone(store, study):
    found = similarities(store, [made for made in study[0] if made.calibration == ("de",)])
    assert set(found["kind"]) == {"within", "draw"}
    draw(figure_2(found))
    assert similarities(store, study[0][:1]).empty


def test_methods_and_sparsities_are_told_apart(store):
    cells = [
        keep(store, cell(language, seed, method, sparsity), masks_of(1, place, seed, sparsity))
        for method, sparsity in (("wanda", 0.5), ("sparsegpt", 0.5), ("wanda", 0.7))
        for place, language in enumerate(("de", "sw"))
        for seed in (0, 1)
    ]
    found = similarities(store, cells)
    assert found[["method", "sparsity"]].drop_duplicates().to_numpy().tolist() == [
        ["wanda", 0.5],
        ["sparsegpt", 0.5],
        ["wanda", 0.7],
    ]
    expected = found[found["kind"] == "draw"].groupby("sparsity")["expected"].first()
    assert expected.to_dict() == pytest.approx({0.5: 1 / 3, 0.7: 0.7 / 1.3})


def test_cells_without_masks_take_no_part(store, study):
    assert len(similarities(store, [*study[0], cell("ar", metrics=("perplexity",))])) == len(
        similarities(store, study[0])
    )
    assert keeping([*study[0], cell("ar", metrics=("perplexity",))]) == study[0]
    with pytest.raises(ParameterError, match="add 'masks' to its metrics"):
        similarities(store, [cell("ar", metrics=("perplexity",))])


def test_what_is_not_in_the_store_is_said_in_one_line(store):
    with pytest.raises(StoreError, match=r"no masks of tiny sparsegpt 0\.5 de seed 0; run the study") as caught:
        similarities(store, [cell("de")])
    assert "\n" not in str(caught.value)


def test_a_missing_seed_is_named(store, study):
    with pytest.raises(StoreError, match=r"tiny sparsegpt 0\.5 en seed 0: the mask of seed 2 is missing") as caught:
        similarities(store, [made for made in study[0] if (made.calibration, made.seed) != (("en",), 2)])
    assert "\n" not in str(caught.value)


def test_a_damaged_or_deleted_mask_is_said(store, study):
    path = store.folder(study[0][4]) / "masks.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match="damaged or cut short"):
        similarities(store, study[0])


def test_masks_of_another_model_are_refused(store, study):
    other = keep(store, cell("ar", 0), masks_of(3, 9, 0))
    cells = [
        *study[0],
        other,
        keep(store, cell("ar", 1), masks_of(3, 9, 1)),
        keep(store, cell("ar", 2), masks_of(3, 9, 2)),
    ]
    with pytest.raises(StoreError, match="are of different models") as caught:
        similarities(store, cells)
    assert other.title in str(caught.value) and "\n" not in str(caught.value)


def test_one_matrix_at_a_time_is_read(store, study, monkeypatch):
    """Every key is read once from each file, and all files' tensors of a key before the next key: memory does not grow
    with layers.
    """
    import calibbook.s05_2_pruning_masks.data as module

    read = []

    class Watched:
        def __init__(self, opened):
            self.opened = opened

        def keys(self):
            return self.opened.keys()

        def get_tensor(self, name):
            read.append(name)
            return self.opened.get_tensor(name)

    real = module._open
    monkeypatch.setattr(module, "_open", lambda *arguments: Watched(real(*arguments)))
    similarities(store, study[0])
    assert len(read) == 9 * 14
    assert all(len(set(read[start : start + 9])) == 1 for start in range(0, len(read), 9))


def parsed(table) -> tuple[list[str], dict[str, list[str]]]:
    soup = BeautifulSoup(table.html, "html.parser")
    head = [th.text for th in soup.select("thead th")]
    return head, {row.select_one("th").text: [td.text for td in row.select("td")] for row in soup.select("tbody tr")}


def test_table_16_has_the_papers_numbers_beside():
    head, rows = parsed(table_16(frame(papers_picture)))
    assert head == ["component", "AR", "DE", "EN", "ES", "RU", "SW", "ZH", "random masks"]
    assert list(rows) == list(COMPONENTS.values())
    mean = by_component(frame(papers_picture), "within")["attn.out"]["de", "de"]
    assert rows["attn.out"][1] == f"{mean:.3f} [0.845]"
    assert rows["attn.out"][0] == f"{by_component(frame(papers_picture), 'within')['attn.out']['ar', 'ar']:.3f}"
    assert rows["q"][-1] == "0.333"


def test_table_17_says_what_is_not_known_and_not_measured():
    head, rows = parsed(table_17(frame(papers_picture, languages=("de", "en"))))
    assert head == ["component", "EN–DE", "ZH–DE", "ZH–EN", "mean of all 1", "random masks"]
    assert rows["v"][1:3] == ["– [0.846]", "– [0.848]"]
    assert [cell.split("[")[1] for cell in rows["ffn.down"][:3]] == ["not known]"] * 3
    assert rows["q"][0].split(" ")[0] == rows["q"][3]


def test_the_papers_numbers_stand_beside_its_own_method_alone():
    for made in (table_16, table_17):
        assert "[" not in "".join(
            cell for cells in parsed(made(frame(papers_picture, methods=("wanda",))))[1].values() for cell in cells
        )


def test_the_papers_tables_agree_with_what_its_text_says():
    known = paper.NUMBERS.frame
    assert known["value"].between(0.8, 0.9).all()
    within, between = (known[known["kind"] == kind] for kind in ("within", "between"))
    table = within.pivot(index="component", columns="first", values="value")
    assert (table.drop(index="attn.out") > table.loc["attn.out"]).all(axis=None) and len(table) == 7
    assert set(table.index) - set(between["component"]) == {"ffn.gate", "ffn.down"}
    assert (between.groupby("component").size() == 3).all()
    assert paper.pairs("between") == [("en", "de"), ("zh", "de"), ("zh", "en")]
    assert paper.pairs("within") == [("de", "de"), ("en", "en"), ("zh", "zh")]


def test_every_pair_the_nearest_first():
    near = frame(lambda kind, a, b, layer, component: 0.9 if (a, b) == ("es", "sw") else 0.5)
    head, rows = parsed(every_pair_table(near))
    assert len(rows) == 21 and next(iter(rows)) == "ES–SW"
    assert head == ["pair", *COMPONENTS.values(), "all"] and set(rows["ES–SW"]) == {"0.900"}


def test_like_is_compared_with_like():
    table = like_with_like(frame(lambda kind, a, b, layer, component: {"draw": 0.9, "language": 0.8}.get(kind, 0.1)))
    assert table["component"].tolist() == list(COMPONENTS.values())
    assert np.allclose(table["disagreement that another draw explains (%)"], 50)


def test_figure_2_shows_means_by_layer_and_component():
    found = frame(papers_picture)
    picture = figure_2(found)
    axes = picture.figure.axes
    left, right = (axis.collections[0].get_array() for axis in axes[:2])
    assert left.shape == right.shape == (32, 7)
    assert np.allclose(left, grid(found[found["kind"] == "within"]))
    assert right[5, 3] == pytest.approx(
        found[(found.kind == "between") & (found.layer == 5) & (found.component == "attn.out")]["iou"].mean()
    )
    assert [label.get_text() for label in axes[0].get_xticklabels()] == list(COMPONENTS.values())
    assert "highest 0.964 in q of layer 0, lowest 0.764 in attn.out of layer 20" in picture.alt
    assert "mean of 21 pairs" in picture.alt


@pytest.mark.parametrize(
    "options", [{}, {"draws": 1}, {"languages": ("de", "sw")}, {"languages": ("de", "sw"), "draws": 1, "layers": 1}]
)
def test_every_kind_of_study_can_be_drawn(options):
    found = frame(papers_picture, **{"layers": 4, **options})
    pairs = len(found.loc[found["kind"].isin(["within", "between"]), ["first", "second"]].drop_duplicates())
    all_pairs = every_pair(found)
    assert len([axis for axis in all_pairs.figure.axes if axis.get_title()]) == pairs
    for picture in (all_pairs, figure_2(found), tree(found)):
        draw(picture)
    claims.section_5_2(found)


def test_the_tree_joins_the_nearest_languages_first():
    near = {("de", "en"): 0.9, ("es", "ru"): 0.8}
    found = frame(
        lambda kind, a, b, layer, component: near.get((a, b), 0.5), languages=("de", "en", "es", "ru"), layers=2
    )
    assert distances(found).loc["en", "de"] == pytest.approx(0.1) and np.allclose(np.diag(distances(found)), 0)
    picture = tree(found)
    assert "de with en at 0.100, then es with ru at 0.200, then de+en with es+ru at 0.500" in picture.alt
    joints, cells = picture.figure.axes
    heights = [max(across for across, _ in path.vertices) for path in joints.collections[0].get_paths()]
    assert sorted(heights) == pytest.approx([0.1, 0.2, 0.5])
    order = [label.get_text() for label in cells.get_yticklabels()]
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset({"DE", "EN"}), frozenset({"ES", "RU"})}
    written = {text.get_position(): text.get_text() for text in cells.texts}
    assert written[order.index("EN") + 0.5, order.index("DE") + 0.5] == "0.900"
    assert not plt.get_fignums()  # seaborn makes this figure through pyplot


def test_more_languages_than_there_is_room_to_write_in_can_be_drawn():
    languages = (*SEVEN, *(f"x{place}" for place in range(6)))
    picture = tree(frame(lambda *where: 0.8, languages=languages, layers=1))
    assert not any(text.get_text() for text in picture.figure.axes[1].texts)
    draw(picture)


def test_the_papers_picture_is_held():
    tested = claims.section_5_2(frame(papers_picture))
    assert set(tested["verdict"]) == {"held"}
    assert tested["claim"].value_counts().to_dict() == {
        claims.FIRST_ARE_STABLE: 2,
        claims.FIRST_ARE_ALIKE: 1,
        claims.OUTPUT_VARIES: 1,
        claims.OUTPUT_VARIES_LATE: 1,
        claims.LOWEST_BETWEEN: 1,
        claims.PEAK: 2,
    }
    assert tested.loc[tested["claim"] == claims.OUTPUT_VARIES, "what"].item() == "attn.out 0.783, ffn.down 0.814"


def test_the_opposite_is_not_held():
    def opposite(*where):
        return 1.7 - papers_picture(*where)

    tested = claims.section_5_2(frame(opposite))
    assert set(tested["verdict"]) == {"not held"}


def test_the_middle_must_be_above_both_ends():
    """Higher than late layers, not than early ones: no peak."""
    falling = frame(
        lambda kind, a, b, layer, component: papers_picture(kind, a, b, layer, component) + (0.1 if layer < 2 else 0)
    )
    tested = claims.section_5_2(falling)
    assert set(tested.loc[tested["claim"] == claims.PEAK, "verdict"]) == {"not held"}


@pytest.mark.parametrize("languages", [("de", "sw"), ("de", "en", "sw")])
def test_few_languages_are_undecided_with_a_reason(languages):
    tested = claims.section_5_2(frame(papers_picture, languages=languages))
    assert set(tested["verdict"]) == {"undecided"} and set(tested["note"]) == {"too few languages"}


def test_one_draw_tests_pairs_alone():
    tested = claims.section_5_2(frame(papers_picture, draws=1))
    assert set(tested["claim"]) == {claims.FIRST_ARE_STABLE, claims.FIRST_ARE_ALIKE, claims.LOWEST_BETWEEN, claims.PEAK}


def test_languages_differ_beyond_draws():
    tested = claims.language_beyond_draw(frame(papers_picture, methods=("wanda", "sparsegpt")))
    assert set(tested["verdict"]) == {"held"} and (tested["low"] > 0).all()
    same = frame(lambda kind, a, b, layer, component: 0.8 + 0.001 * SEVEN.index(a) + 0.001 * SEVEN.index(b))
    assert set(claims.language_beyond_draw(same)["verdict"]) <= {"undecided"}


def test_claims_are_read_in_words():
    tested = claims.section_5_2(frame(papers_picture, methods=("wanda", "sparsegpt")))
    table = readable(tested[tested["claim"] == claims.FIRST_ARE_ALIKE])
    assert table["result"].tolist() == ["lowest 0.959, q of sw and zh"] * 2
    assert table["note"].tolist() == ["read off the masks"] * 2


def test_masks_that_remove_nothing_are_named_and_what_is_known_stays(store):
    """One block removes nothing, another from two of its matrices alone, and no weight in all draws of two
    languages."""
    kept = []
    for place, language in enumerate(("de", "en")):
        for seed in (0, 1):
            nothing = {name: torch.zeros(SHAPE, dtype=torch.bool) for name in masks_of(2, place, seed)}
            little = {name: mask.clone() for name, mask in nothing.items()}
            for layer in range(2):
                little[f"layers.{layer}.mlp.down_proj"][place, seed] = True
            kept.append(keep(store, cell(language, seed, sparsity=0.0), nothing))
            kept.append(keep(store, cell(language, seed, method="wanda", sparsity=0.01), little))
    every = similarities(store, kept)
    assert empty(every) == ["tiny, SparseGPT, 0%"]
    found = comparable(every)
    assert set(found["method"]) == {"wanda"} and set(found["kind"]) == {"within", "draw", "language"}
    assert set(found.loc[found["iou"].notna(), "component"]) == {"ffn.down"}
    (rows,) = having(found, "within")
    assert having(found, "between") == [] and len(having(found, "draw", "language")) == 1
    assert grid(rows[rows["kind"] == "within"])["q"].isna().all()
    assert "means over layers q –" in figure_2(rows).alt
    assert set(claims.section_5_2(found)["verdict"]) <= {"undecided"}


def test_of_many_languages_the_most_and_the_least_similar_pairs_are_drawn():
    codes = tuple(fixed_order()[:14])
    near, far = ("de", "ar"), ("am", "zh")
    values = {frozenset(near): 0.9, frozenset(far): 0.3}
    found = frame(lambda kind, a, b, layer, component: values.get(frozenset((a, b)), 0.5), languages=codes, layers=1)
    drawn = every_pair(found)
    titles = [axis.get_title() for axis in drawn.figure.axes if axis.get_title()]
    assert len(titles) == 24 and titles[0] == "AR–DE" and titles[-1] in ("AM–ZH", "ZH–AM")
    assert "ar and de have the highest mean" in drawn.alt and "Of 91 pairs" in drawn.alt
    draw(tree(found))
