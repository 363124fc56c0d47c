"""The loader of whole batches."""

from tests.support.small_images import small_images


def test_the_length_of_the_loader_is_that_of_a_whole_epoch() -> None:
    data = small_images()
    data.load_state_dict({"epoch": 2, "batch": 2})
    loader = data.train_dataloader()
    assert len(loader) == 3
    assert len(list(loader)) == 1
    assert len(list(loader)) == 3
    assert loader.state_dict() == {}
