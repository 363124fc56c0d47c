"""The subcommand ``export``, and the card that it writes."""

import base64
import csv
import json
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Trainer, seed_everything
from PIL import Image

from callbacks.plotting.images import image_grid
from callbacks.report.run_files import read_run
from datamodules import Digits, DigitsShift
from lightning_modules import WDGRL, WGAN, WGANGP
from lightning_modules.core.files import write_whole
from lightning_modules.core.pretrained import SHIPPED, shipped_models
from lightning_modules.core.recipe import load_network
from tests.support.command_line import tiny, write
from tests.support.trainers import QUIET_TRAINER, same
from wasserstein_critics import export as exporting
from wasserstein_critics.__main__ import main
from wasserstein_critics.export import write_onnx
from wasserstein_critics.model_card import Exported, model_card
from wasserstein_critics.shipped import program

ALL = ["README.md", "config.json", "model.onnx", "model.safetensors"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with averaged weights, and a test of its last checkpoint."""
    home = tmp_path_factory.mktemp("run")
    config = tiny(max_steps=3, log_every_n_steps=1)
    config["trainer"]["logger"]["init_args"]["save_dir"] = str(home)
    more = ("WeightEMA", "ExportNetwork")
    config["trainer"]["callbacks"] += [{"class_path": name} for name in more]
    path = str(write(config, home / "tiny.yaml"))
    run = home / "tiny" / "version_0"
    last = f"--ckpt_path={run / 'checkpoints' / 'last.ckpt'}"
    assert main(["fit", "--config", path]) == 0
    assert main(["test", "--config", path, last]) == 0
    return run


@pytest.fixture(scope="module")
def folder(trained: Path) -> Path:
    assert main(["export", str(trained), "--license", "mit"]) == 0
    return trained / "export-last"


def test_a_run_becomes_a_folder_with_its_averaged_weights(
    trained: Path, folder: Path
) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ALL
    model = WGANGP.from_pretrained(folder)
    exported = load_network(trained / "generator.safetensors")
    assert same(dict(model.generator.state_dict()), dict(exported.state_dict()))
    last = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    critic = {f"critic.{k}": v for k, v in model.critic.state_dict().items()}
    assert all(torch.equal(last["state_dict"][k], v) for k, v in critic.items())
    assert model.steps_made == 3
    with pytest.raises(ValueError, match="holds a WGANGP and not a WGAN"):
        WGAN.from_pretrained(folder)


def test_the_card_says_what_the_run_measured(trained: Path, folder: Path) -> None:
    card = (folder / "README.md").read_text()
    with (trained / "test-last" / "metrics.csv").open() as file:
        (tested,) = csv.DictReader(file)
    for name in (name for name in tested if name.startswith("test/")):
        assert f"| `{name}` | {float(tested[name]):.6g} | 3 |" in card
    record = json.loads((trained / "run.json").read_text())
    assert f"- seconds: {record['seconds']}" in card
    assert "```bash\nwasserstein-critics" in card
    assert 'WGANGP.from_pretrained("export-last")' in card


def test_the_card_shows_the_newest_test_of_the_same_step_alone(trained: Path) -> None:
    shutil.copytree(trained, "run", ignore=shutil.ignore_patterns("export*"))
    rows = {
        "test-last-2": (3, 0.5),
        "test-last-10": (3, 0.25),
        "test-last-11": (2, 7.0),
    }
    for name, (step, value) in (rows | {"test-last-previous": (3, 9.0)}).items():
        text = f"epoch,step,test/wasserstein\n0,{step},{value}\n"
        write_whole(f"run/{name}/metrics.csv", text)
        write_whole(f"run/{name}/run.json", "{}")
    assert main(["export", "run", "--no-onnx"]) == 0
    card = Path("run/export-last/README.md").read_text()
    assert re.findall(r"^\| `test/wasserstein` \| (\S+) \| 3 \|", card, re.M) == [
        "0.25"
    ]


def test_the_hub_reads_the_card(folder: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard.load(folder / "README.md").data
    assert data.license == "mit"
    assert data.library_name == "wasserstein-critics"
    assert data.model_name == "WGANGP on PointClouds"
    values = {one.metric_name: one.metric_value for one in data.eval_results}
    assert all(np.isfinite(value) for value in values.values())
    assert "test/sliced_wasserstein" in values


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub as an upload asks for; keeps what it is given."""

    stored: dict[str, bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer: dict[str, Any] = {}
        if "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            mode = {"uploadMode": "regular", "shouldIgnore": False}
            answer = {"files": [{"path": name, **mode} for name in names]}
        if "/commit/" in self.path:
            lines = [json.loads(line) for line in body.splitlines()]
            files = [line["value"] for line in lines if line["key"] == "file"]
            self.stored |= {f["path"]: base64.b64decode(f["content"]) for f in files}
            url = f"http://{self.headers['Host']}/somebody/digits/commit/{'0' * 40}"
            answer = {"commitUrl": url, "commitOid": "0" * 40, "pullRequestUrl": None}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub_address() -> Iterator[str]:
    Hub.stored = {}
    server = HTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_what_is_uploaded_is_the_folder(folder: Path, hub_address: str) -> None:
    hub = pytest.importorskip("huggingface_hub")
    api = hub.HfApi(endpoint=hub_address, token=False)
    api.upload_folder(folder_path=folder, repo_id="somebody/digits")
    assert Hub.stored == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_onnx_computes_what_torch_computes(folder: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    model = WGANGP.from_pretrained(folder)
    latents = torch.randn(7, 2)
    session = runtime.InferenceSession(str(folder / "model.onnx"))
    (samples,) = session.run(None, {"inputs": latents.numpy()})
    assert np.abs(samples - model(latents).detach().numpy()).max() < 1e-5


def test_without_its_packages_onnx_alone_is_left_out(
    trained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(exporting, "_has", lambda name: name != "onnxscript")
    assert main(["export", str(trained), "--to", "here"]) == 0
    note = capsys.readouterr().err
    assert "no model.onnx: onnxscript is missing, pip install 'wasserstein" in note
    assert sorted(path.name for path in Path("here").iterdir()) == [
        name for name in ALL if name != "model.onnx"
    ]
    assert "model.onnx" not in Path("here/README.md").read_text()


def test_whose_the_vectors_are_goes_with_them(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, "run", ignore=shutil.ignore_patterns("export*"))
    write_whole("run/tables/items.parquet", b"the ids")
    assert main(["export", "run", "--no-onnx"]) == 0
    assert "note" not in capsys.readouterr().err
    assert Path("run/export-last/items.parquet").read_bytes() == b"the ids"
    assert "`items.parquet`: the ids" in Path("run/export-last/README.md").read_text()


def test_onnx_that_differs_is_not_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(exporting, "_difference", lambda *_: 2e-4)
    reason = write_onnx(WGANGP.from_pretrained(folder), Path("model.onnx"))
    assert reason == "it would differ from torch by 2.0e-04"
    assert not Path("model.onnx").exists()


def copied(trained: Path, change: Any) -> str:
    """The same run, whose last checkpoint says something else."""
    run = Path("run")
    (run / "checkpoints").mkdir(parents=True)
    for name in ("run.json", "config.yaml"):
        (run / name).write_text((trained / name).read_text())
    content = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    change(content)
    torch.save(content, run / "checkpoints" / "last.ckpt")
    return str(run)


def spoil(content: dict[str, Any]) -> None:
    content["state_dict"]["critic.layers.3.bias"][0] = torch.nan


def of_another(content: dict[str, Any]) -> None:
    content["hyper_parameters"]["_class_path"] = "os.system"


def anonymous(content: dict[str, Any]) -> None:
    content.pop("hyper_parameters")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (spoil, "critic.layers.3.bias holds NaN or infinity"),
        (of_another, "names the method 'os.system', which is not of this library"),
        (anonymous, "does not say what wrote it"),
    ],
)
def test_a_run_that_can_not_be_exported_leaves_nothing(
    change: Any, said: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(trained, change)
    before = sorted(Path(run).rglob("*"))
    assert main(["export", run]) in (1, 2)
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert said in error
    assert sorted(Path(run).rglob("*")) == before


def test_a_method_of_ones_own_is_exported_where_it_is_trusted(
    trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mypackage.py").write_text(
        "from lightning_modules import WGANGP\n\n\nclass MyGAN(WGANGP):\n    'Mine.'\n"
    )
    monkeypatch.syspath_prepend(Path.cwd())
    name = "mypackage.MyGAN"
    run = copied(trained, lambda c: c["hyper_parameters"].update(_class_path=name))
    assert main(["export", run, "--no-onnx"]) == 2
    assert "--trusted" in capsys.readouterr().err
    assert "mypackage" not in sys.modules
    assert main(["export", run, "--no-onnx", "--trusted", name]) == 0
    loaded = WGANGP.from_pretrained("run/export-last")
    assert type(loaded).__name__ == "MyGAN"
    assert "generative" in Path("run/export-last/README.md").read_text()
    monkeypatch.delitem(sys.modules, "mypackage")


def test_a_mistake_ends_in_one_sentence(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other").mkdir()
    Path("x.ckpt").write_bytes(b"nothing")
    for words, said in [
        (["nowhere"], "'nowhere' is not the folder of a run"),
        ([str(trained), "--to", "."], "exists: name another folder with --to"),
        ([str(trained), "--to", "other"], "'other' exists"),
        ([str(trained), "--to", "new", "--ckpt_path", "x.ckpt"], "does not lie in"),
    ]:
        assert main(["export", *words]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["other", "x.ckpt"]


def test_what_files_say_is_no_markup_of_the_card(trained: Path, folder: Path) -> None:
    evil = "`</pre><script>alert(1)</script> | [x](y) *z*\n# title"
    run = read_run(trained)
    object.__setattr__(run, "record", {"command": f"x '{evil}'", "platform": evil})
    run.series[evil] = [(1, 2.0)]  # type: ignore[index]
    model = WGANGP.from_pretrained(folder)
    content = {"global_step": 3, "run": {"summary": f"a: {evil}"}}
    path = trained / "checkpoints" / "last.ckpt"
    card = model_card(Exported(run, path, content, model, False, "x"), folder)
    prose = "".join(card.split("```")[::2])
    prose = re.sub(r"`[^`\n]*`", "", prose).replace("\\<", "")
    assert "<script" not in prose
    assert "\n# title" not in prose
    assert program() not in prose


# Shipped models -----------------------------------------------------------------------


def test_shipped_models_are_small() -> None:
    assert shipped_models() == ["digits", "digits_shift", "mnist"]
    folders = [SHIPPED / name for name in shipped_models()]
    sizes = [sum(p.stat().st_size for p in one.iterdir()) for one in folders]
    assert max(sizes) < 1e6
    assert sum(sizes) < 5e6


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_the_image_of_a_shipped_card_is_what_the_model_samples(name: str) -> None:
    samples = WGANGP.from_pretrained(name).sample(64)
    with Image.open(SHIPPED / name / "samples.png") as file:
        shown = np.asarray(file).astype(int)
    assert np.abs(image_grid(samples).astype(int) - shown).max() <= 1


@pytest.mark.parametrize(
    ("name", "cls", "data"),
    [("digits", WGANGP, Digits), ("digits_shift", WDGRL, DigitsShift)],
)
def test_a_shipped_model_measures_what_its_card_says(
    name: str, cls: Any, data: Any
) -> None:
    seed_everything(0, verbose=False)
    trainer = Trainer(**QUIET_TRAINER)
    (values,) = trainer.test(cls.from_pretrained(name), data(seed=0), verbose=False)[:1]
    card = (SHIPPED / name / "README.md").read_text()
    said = dict(re.findall(r"^\| `(test/\w+)` \| (\S+) \|", card, re.M))
    assert said
    assert said.keys() <= values.keys()  # later versions measure more
    for key, value in said.items():
        assert values[key] == pytest.approx(float(value), rel=1e-3)
