from pathlib import Path

import pytest

from experiments.provenance import require_root


def test_another_directory_than_the_root_is_refused_in_one_sentence(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = f"^error: run this from the root of the checkout: cd {repository}$"
    with pytest.raises(SystemExit, match=sentence):
        require_root()
    monkeypatch.chdir(repository)
    require_root()
