"""The page holds all that the run's folder has, and nothing of it as markup."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from scipy.stats import ttest_rel

from callbacks.report.comparison import comparison
from callbacks.report.page import MOST_IMAGES, report_page
from callbacks.report.run_files import read_run
from callbacks.report.settings import differences, settings_of

EVIL = "</script><script>alert(1)</script>"
VOID = {"meta", "img", "input"}


class Checker(HTMLParser):
    """Refuses tags that are closed in another order; collects what is there."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [v for k, v in attrs if k in ("src", "href") and v]
        if tag not in VOID | {"path"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID | {"path"}:
            assert self.open.pop() == tag


def checked(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def make_run(
    folder: Path, name: str = "version_0", seed: int = 0, **values: float
) -> Path:
    run = folder / name
    (run / "images" / "samples").mkdir(parents=True)
    record = {"command": f"train.py fit --config '{EVIL}' --trainer.max_steps 20"}
    record |= {"started": "2026", "seconds": 3.0, "first_step": 0, "last_step": 20}  # type: ignore[dict-item]
    (run / "run.json").write_text(json.dumps(record))
    lr = values.get("lr", 0.1)
    (run / "config.yaml").write_text(f"seed_everything: {seed}\nmodel:\n  lr: {lr}\n")
    score = values.get("score", 0.5)
    rows = [f"epoch,step,train/loss,val/{EVIL},val/score"]
    rows += [f",{step},{1 / step},," for step in range(1, 21)]
    rows += [f"0,20,,nan,{score}", "cut off"]
    (run / "metrics.csv").write_text("\n".join(rows))
    for step in range(1, 41):
        Image.new("RGB", (4, 4)).save(run / "images" / "samples" / f"{step}.png")
    (run / "top_items").mkdir()
    (run / "top_items" / "9.csv").write_text("user,item\nold,old\n")
    (run / "top_items" / "20.csv").write_text(f"user,item\n{EVIL},3\n")
    return run


def test_a_page_is_balanced_needs_no_network_and_shows_text_as_text(
    tmp_path: Path,
) -> None:
    page = report_page([read_run(make_run(tmp_path))])
    checker = checked(page)
    assert EVIL not in page
    assert "alert(1)" in page
    assert page.count("<script") == 1 + page.count('"application/json"')
    assert all(link.startswith(("#", "data:image/png")) for link in checker.links)
    assert not re.search(r"(src|href)=\"https?:|@import|url\(", page)
    targets = {link for link in checker.links if link[0] == "#"}
    assert all(f'id="{target[1:]}"' in page for target in targets)


def test_it_shows_curves_images_and_the_last_table(tmp_path: Path) -> None:
    page = report_page([read_run(make_run(tmp_path))])
    charts = re.findall(r'json">(.*?)</script>', page)
    assert sorted(json.loads(chart)["points"][0][-1] for chart in charts) == [
        [20, 0.05],
        [20, 0.5],
    ]
    assert "train/loss" in page
    assert "Not all values are finite" in page  # the score without a curve
    shown = re.findall(r'data-step="(\d+)"', page)
    assert len(shown) <= MOST_IMAGES + 1
    assert (shown[0], shown[-1]) == ("1", "40")
    assert len(re.findall(r"<img[^>]* hidden>", page)) == len(shown) - 1
    assert ">old<" not in page
    assert "--trainer.max_steps" in page


def test_runs_are_compared_by_differences_and_settings(tmp_path: Path) -> None:
    runs = [
        read_run(make_run(tmp_path, "a", score=0.5)),
        read_run(make_run(tmp_path, "b", score=0.75, lr=0.2)),
    ]
    tables = comparison(runs)
    row = next(row for row in tables.metrics if row[0] == "val/score")
    assert row[1:] == ["0.5", "0.75"]
    assert tables.settings[1:] == [["model.lr", "0.1", "0.2"]]
    (row,) = [row for row in tables.pairs if row[0] == "val/score"]
    assert row[4:7] == ["+0.25", "1", "-"]
    checked(report_page(runs))


def test_runs_with_the_same_seeds_are_compared_in_pairs(tmp_path: Path) -> None:
    first, second = [0.5, 0.6, 0.4], [0.7, 0.75, 0.5]
    runs: list[Any] = []
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        runs.append(read_run(make_run(tmp_path, f"a{i}", i, score=a)))
        runs.append(read_run(make_run(tmp_path, f"b{i}", i, score=b, lr=0.2)))
    rows = [row for row in comparison(runs).pairs if row[0] == "val/score"]
    p = float(ttest_rel(second, first).pvalue)
    (row,) = rows
    assert row[4:] == ["+0.15 ± 0.05", "3", f"{p:.3g}", "higher"]
    (row,) = [row for row in comparison(runs).means if row[0] == "val/score"]
    assert row == ["val/score", "", "0.5 ± 0.1", "0.65 ± 0.13"]


def test_a_folder_that_is_no_run_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"not the folder of a run.*run\.json"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json' can't be read"):
        read_run(tmp_path)


def test_a_run_without_values_has_a_page_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    page = report_page([read_run(tmp_path)])
    checked(page)
    assert "no metrics.csv" in page
    assert "interrupted" in page


BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)
)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("config.yaml", BOMB, "more than 100,000 values"),
        ("config.yaml", "[" * 200 + "]" * 200, "50 deep"),
        ("config.yaml", "a: !!python/object/apply:os.system [id]", "constructor for"),
        ("config.yaml", b"\xff\xfe\xfa", "can't decode"),
        ("run.json", "{", "Expecting"),
        ("run.json", "[" * 100_000, "recursion"),
        ("metrics.csv", "step,a\n1,banana\n", "'banana'"),
        ("metrics.csv", 'step,a\n1,"' + "x" * 200_000, "field"),
        ("top_items/99.csv", b"user\n\xff\n", "can't decode"),
    ],
)
def test_a_file_that_is_no_run_s_is_named(
    tmp_path: Path, name: str, content: str | bytes, why: str
) -> None:
    path = make_run(tmp_path) / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=why) as told:
        read_run(tmp_path / "version_0")
    assert str(told.value).startswith(f"'{path}' can't be read: ")


def test_settings_have_the_names_of_options_and_callbacks_those_of_classes() -> None:
    def settings(*callbacks: Any) -> dict[str, Any]:
        return settings_of({"trainer": {"callbacks": list(callbacks)}})

    ema = {"class_path": "callbacks.WeightEMA", "init_args": {"decay": 0.9}}
    grid = {"class_path": "SampleGrid"}
    assert settings(ema, grid)["trainer.callbacks.WeightEMA.decay"] == 0.9
    assert settings(ema, grid) == settings(grid, ema)
    assert len(settings(ema, ema)) == 2 * len(settings(ema))


def test_of_a_class_that_is_gone_no_arguments_are_listed() -> None:
    ema = {"class_path": "callbacks.WeightEMA", "init_args": {"decay": 0.9}}
    before = {"trainer": {"callbacks": [ema], "devices": [0, 1], "seed": None}}
    now = {"trainer": {"callbacks": [], "devices": [0, 2], "seed": 3}}
    place = {"class_path": "CSVLogger", "init_args": {"save_dir": "elsewhere"}}
    now["trainer"]["logger"] = place  # changes no training
    assert differences(before, now) == [
        ["trainer.callbacks.WeightEMA", "callbacks.WeightEMA", "-"],
        ["trainer.devices", "[0, 1]", "[0, 2]"],
        ["trainer.seed", "-", 3],
    ]


def test_what_is_not_as_shipped_is_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    record = json.loads((run / "run.json").read_text())
    assert "Changed on the command line" in report_page([read_run(run)])
    record |= {"shipped": "gan/digits", "differences": [["model.lr", 0.1, EVIL]]}
    record["differences"].append(["trainer.logger.prefix", "", "-"])
    (run / "run.json").write_text(json.dumps(record))
    page = report_page([read_run(run)])
    checked(page)
    assert "Not as shipped in gan/digits, as far as it may change" in page
    assert "<td>model.lr</td><td>0.1</td>" in page
    assert "<td>trainer.logger.prefix</td>" not in page  # changes no training
    assert EVIL not in page


def test_how_many_processes_ran_is_shown(tmp_path: Path) -> None:
    ran = {"processes": 4, "nodes": 2, "device": "cpu"}
    (tmp_path / "run.json").write_text(json.dumps(ran))
    assert "4 on 2 machines (cpu)" in report_page([read_run(tmp_path)])
