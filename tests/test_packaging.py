"""What gets installed, and who may import whom."""

import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("lightning_modules", "datamodules", "callbacks", "wasserstein_critics")


def built_wheel(folder: Path) -> Path:
    code = (
        "import sys; from hatchling.builders.wheel import WheelBuilder as Builder;"
        "[*Builder(sys.argv[1]).build(directory=sys.argv[2], versions=['standard'])]"
    )
    command = [sys.executable, "-c", code, str(REPOSITORY), str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_holds_the_typed_packages_and_nothing_else(tmp_path: Path) -> None:
    names = zipfile.ZipFile(built_wheel(tmp_path)).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert tops == set(PACKAGES)
    for package in PACKAGES:
        assert f"{package}/py.typed" in names
        assert f"{package}/__init__.py" in names
    assert "wasserstein_critics/configs/wgan_gp/digits.yaml" in names
    assert "wasserstein_critics/configs/defaults/generative.yaml" in names
    for name in ("README.md", "config.json", "model.safetensors"):
        assert f"wasserstein_critics/models/digits/{name}" in names
    assert not any("ruff.toml" in name or "test_" in name for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("lightning_modules", "datamodules", False),
        ("lightning_modules", "callbacks", False),
        ("lightning_modules", "wasserstein_critics", False),
        ("lightning_modules", "lightning_modules", True),
        ("datamodules", "lightning_modules", True),
        ("datamodules", "datamodules", True),
        ("datamodules", "callbacks", False),
        ("datamodules", "wasserstein_critics", False),
        ("callbacks", "lightning_modules", True),
        ("callbacks", "callbacks", True),
        ("callbacks", "datamodules", False),
        ("callbacks", "wasserstein_critics", False),
    ],
)
def test_imports_go_one_way(importer: str, imported: str, allowed: bool) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    options = ["check", "--no-cache", "--select", "TID251", "--stdin-filename"]
    done = subprocess.run(
        [ruff, *options, REPOSITORY / importer / "new.py", "-"],
        input=f"from {imported} import name\n",
        text=True,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode == 0) == allowed, done.stdout + done.stderr


def test_every_bound_has_its_reason() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"]
    for requirement in [
        *project["dependencies"],
        *extras["fid"],
        *extras["tensorboard"],
    ]:
        (line,) = [row for row in text.splitlines() if f'"{requirement}", #' in row][:1]
        assert len(line.split("#")[1]) > 10, requirement


def test_every_dependency_ends_below_a_release_that_nobody_has_tried() -> None:
    from packaging.requirements import Requirement

    text = (REPOSITORY / "pyproject.toml").read_text()
    for one in map(Requirement, tomllib.loads(text)["project"]["dependencies"]):
        assert any(bound.operator == "<" for bound in one.specifier), one.name


def test_the_constraints_are_versions_that_the_project_allows() -> None:
    from packaging.requirements import Requirement

    lines = (REPOSITORY / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)  # no host, no URL
    versions = dict(pin.split("==") for pin in pins)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for one in map(Requirement, [*project["dependencies"], *extras["dev"]]):
        if one.name != project["name"]:  # an extra of our own
            version = versions[one.name.lower().replace("_", "-")]
            assert one.specifier.contains(version), one


def test_the_malicious_releases_are_excluded() -> None:
    from packaging.requirements import Requirement

    text = (REPOSITORY / "pyproject.toml").read_text()
    wanted = map(Requirement, tomllib.loads(text)["project"]["dependencies"])
    (lightning,) = [one for one in wanted if one.name == "lightning"]
    assert not any(lightning.specifier.contains(v) for v in ("2.6.2", "2.6.3"))
    assert lightning.specifier.contains("2.6.6")


@pytest.mark.slow
def test_from_the_wheel_alone_one_trains_in_an_empty_folder(tmp_path: Path) -> None:
    """Dependencies are those of this environment, reached by their folder."""
    home, empty = tmp_path / "venv", tmp_path / "empty"
    empty.mkdir()
    wheel = built_wheel(tmp_path)
    subprocess.run([sys.executable, "-m", "venv", home], check=True, timeout=120)
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = [str(home / "bin/python"), "-m", "pip", "install", "--no-deps"]
    install = [*pip, str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=120)

    def command(*words: str, program: str = "wasserstein-critics") -> str:
        return subprocess.run(
            [home / "bin" / program, *words],
            cwd=empty,
            env={"PATH": str(home / "bin"), "OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
            text=True,
            timeout=300,
        ).stdout

    assert "wgan_gp/digits" in command("configs")
    command("copy", "wgan_gp/digits", "my.yaml")
    for config in ("wgan_gp/digits", "my.yaml"):
        command("fit", "--config", config, "--trainer.max_steps", "20")
    runs = empty / "runs" / "wgan_gp-digits"
    assert [p.name for p in sorted(runs.iterdir())] == ["version_0", "version_1"]
    command("export", str(runs / "version_0"), "--to", "mine")
    code = "from lightning_modules import WGANGP; "
    for name in ("mine", "digits"):
        call = f"print(*WGANGP.from_pretrained('{name}').sample(2).shape)"
        shape = command("-c", code + call, program="python").split()
        assert shape == ["2", "1", "8", "8"]
    first, second = (runs / f"version_{n}/generator.safetensors" for n in (0, 1))
    assert first.read_bytes() == second.read_bytes()
