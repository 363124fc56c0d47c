import pytest
import yaml

from lightning_modules.core.yaml_size import (
    DEEPEST,
    MOST_VALUES,
    RefusedYAMLError,
    read_yaml,
)


def doubled(times: int) -> str:
    """Lists of lists, each twice in the next: the last means 2 ** times words."""
    return "a0: &a0 [x, x]\n" + "".join(
        f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, times)
    )


def test_each_use_of_an_alias_counts() -> None:
    assert len(read_yaml(doubled(13))) == 13  # type: ignore[arg-type]
    with pytest.raises(RefusedYAMLError, match=f"more than {MOST_VALUES:,} values"):
        read_yaml(doubled(40))


@pytest.mark.parametrize("text", ["&a [*a]", "&a {b: {c: *a}}"])
def test_what_stands_within_itself_is_refused(text: str) -> None:
    with pytest.raises(RefusedYAMLError, match="deep"):
        read_yaml(text)


def test_lists_may_stand_in_each_other_fifty_deep() -> None:
    read_yaml("[" * DEEPEST + "]" * DEEPEST)
    with pytest.raises(RefusedYAMLError, match=f"more than {DEEPEST} deep"):
        read_yaml("[" * (DEEPEST + 2) + "]" * (DEEPEST + 2))


def test_no_object_is_made() -> None:
    with pytest.raises(yaml.YAMLError, match="constructor"):
        read_yaml("!!python/object/apply:os.getcwd []")
    assert read_yaml("") is None
