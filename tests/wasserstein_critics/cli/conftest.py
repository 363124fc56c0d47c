import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command_line import Run, tiny, write
from wasserstein_critics.cli import app


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line; returns its exit code and the sentences on stderr."""
    write(tiny())

    def call(*words: str | Path) -> tuple[int, str]:
        capsys.readouterr()
        code = app.main([str(word) for word in words])
        lines = capsys.readouterr().err.splitlines()
        assert not any("Traceback" in line for line in lines)
        errors = [line for line in lines if line.startswith("error: ")]
        assert len(errors) == (code != 0)
        return code, "".join(errors)

    return call


@pytest.fixture(scope="session")
def gan_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("gan")
    config = tiny("GAN", default_root_dir=str(home), logger=False)
    path = write(config, home / "gan.yaml")
    assert app.main(["fit", "--config", str(path)]) == 0
    return home / "version_0" / "checkpoints" / "last.ckpt"


@pytest.fixture
def limited_files() -> Iterator[Callable[[int], None]]:
    """Sets the size beyond which this process may write no file."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))
    signal.signal(signal.SIGXFSZ, handler)
