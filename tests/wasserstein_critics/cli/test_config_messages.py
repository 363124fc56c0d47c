from pathlib import Path

import pytest

from tests.support.command_line import (
    QUIET,
    Mistake,
    Run,
    check_mistake,
    each_of,
    traces,
)

pytestmark = QUIET


MISTAKES: list[Mistake] = [
    (
        "argument at the height of its class, in one word",
        '--data {"class_path":"PointClouds","seed":3}',
        ["data.seed stands beside class_path: move it under init_args of PointClouds"],
    ),
    ("no such config", "--config nope.yaml", ["nope.yaml", "--config"]),
    ("config with a letter less", "--config wgan_gp/image", ["'wgan_gp/images'"]),
    ("a sweep is no config", "--config sweeps/wgan", ["is no config", "wandb sweep"]),
    ("config is a directory", "--config .", ["--config"]),
]


@each_of(MISTAKES)
def test_a_mistake_ends_in_one_sentence_and_leaves_nothing(
    run: Run, words: str, named: list[str]
) -> None:
    check_mistake(run, words, named)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"model: [\n  a: b: c\n", "line 2"),
        (b"\xff\xfe\x00\x81", "not a text file"),
        (b"a few words", "holds no keys"),
        (b"trainer: {max_stepz: 3}", "'trainer.max_steps'"),
        (b"model: {init_args: {generator: {init_args: {hiden: 3}}}}", "'hidden'"),
        (b"trainer: {callbacks: [{class_path: SampleGrit}]}", "'SampleGrid'"),
        (b"trainer: {callbacks: [{class_path: SampleGrid, init_args: {n: 3}}]}", "'n'"),
        (
            b"trainer: {callbacks: [{class_path: FeatureMap, init_args: {method: x}}]}",
            "method must be one of 'pca', 'tsne', 'both', but is 'x'",
        ),
        (b"trainer: {callbacks: {n: 3}}", "name the Callback by its class_path"),
        (b"data: 3", "data must be a LightningDataModule with its class_path, but"),
        (
            b"model: {init_args: {critic: 3}}",
            "model.critic must be a Module with its class_path, but is '3'",
        ),
        (
            b"data: {class_path: PointClouds, init_arg: {seed: 3}}",
            "unknown key data.init_arg beside class_path; did you mean 'init_args'?",
        ),
        *(
            (content, f"{key} stands beside class_path: move it under init_args of")
            for content, key in (
                (b"data: {class_path: PointClouds, seed: 3}", "data.seed"),
                (
                    b"data: {class_path: PointClouds, init_args: {n_val: 8}, seed: 3}",
                    "data.seed",
                ),
                (b"model: {class_path: WGANGP, n_critic: 3}", "model.n_critic"),
                (
                    b"model: {init_args: {critic: {class_path: MLPCritic, shape: 2}}}",
                    "model.critic.shape",
                ),
                (
                    b"model: {init_args: {critic_optimizer: {class_path: SGD, lr: 1}}}",
                    "model.critic_optimizer.lr",
                ),
                (
                    b"trainer: {callbacks: [{class_path: SampleGrid, seed: 3}]}",
                    "trainer.callbacks.seed",
                ),
            )
        ),
    ],
)
def test_a_broken_config_file_is_told_in_one_sentence(
    run: Run, content: bytes, named: str
) -> None:
    Path("broken.yaml").write_bytes(content)
    code, sentence = run("fit", "--config", "tiny.yaml", "--config=broken.yaml")
    assert code == 2
    assert named in sentence
    assert traces() == []
