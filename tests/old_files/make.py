"""Small runs of version 0.1 (commit 7558f7f), whose files have to go on loading.

They were made at that commit, from the root of its checkout, with `python make.py
FOLDER`: nothing here imports under today's names. Each run trained four steps; kept are
its checkpoint after two, its weights after four (`resumed.safetensors`), and for a run
of the command line its config and exported network. Runs of Python code stopped after
two steps and were resumed by that version. Afterwards paths of the machine were taken
out of configs and checkpoints, and all of it went into version_0.1.zip.
"""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

BLOBS = "shifted_blobs"
RUNS: dict[str, list[str]] = {
    "wgan_gp-ring8": [
        "--model.generator.hidden=[8]",
        "--model.critic.hidden=[8]",
        "--data.batch_size=16",
    ],
    "gan-digits": [
        "--model.generator=MLPGenerator",
        "--model.generator.latent_dim=4",
        "--model.generator.shape=[1,8,8]",
        "--model.generator.hidden=[8]",
        "--model.critic=MLPCritic",
        "--model.critic.shape=[1,8,8]",
        "--model.critic.hidden=[8]",
    ],
    f"wdgrl-{BLOBS}": [],
    f"dann-{BLOBS}": [],
    "metric_learner-wine": [],
    "classifier-digits": ["--model.network.width=2"],
    "cml-planted": ["--model.dim=2"],
    "bpr-planted": ["--model.dim=2"],
    "popularity-planted": [],
}
STEPS = ["--trainer.max_epochs=-1", "--trainer.check_val_every_n_epoch=null"]
QUIET = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]


def weights(model: torch.nn.Module, path: Path) -> None:
    state = model.state_dict().items()
    save_file({k: v.detach().clone().contiguous() for k, v in state}, path)


def command_line_run(name: str, options: list[str], target: Path) -> None:
    from train import command_line

    from callbacks import Checkpoint

    config = f"--config=configs/{name.replace('-', '/')}.yaml"
    runs = [f"--trainer.logger.save_dir={target / 'runs'}", *QUIET]
    steps = [*STEPS, "--trainer.val_check_interval=1", "--trainer.limit_val_batches=2"]
    solved = "popularity" in name
    first = [] if solved else [*steps, "--trainer.max_steps=4"]
    keep = target / name
    keep.mkdir(parents=True)
    two = Checkpoint(
        dirpath=keep,
        filename="{step}",
        auto_insert_metric_name=False,
        every_n_train_steps=2,
        save_top_k=-1,
    )
    watch = [] if solved else [two]
    cli = command_line(["fit", config, *options, *runs, *first], callbacks=watch)
    folder = next((target / "runs").glob("*/version_0"))
    shutil.copy(folder / "config.yaml", keep)
    last = folder / "checkpoints" / "last.ckpt"
    shutil.copy(last if solved else keep / "2.ckpt", keep / "last.ckpt")
    for file in keep.glob("[0-9]*.ckpt"):
        file.unlink()
    for file in folder.glob("*.safetensors"):
        shutil.copy(file, keep)
    if not solved:
        weights(cli.model, keep / "resumed.safetensors")
    shutil.rmtree(target / "runs")


def python_run(make: Callable[[], Any], data: Callable[[], Any], keep: Path) -> None:
    from lightning.pytorch import Trainer, seed_everything

    keep.mkdir(parents=True, exist_ok=True)
    quiet = dict.fromkeys(
        (
            *("logger", "enable_checkpointing"),
            *("enable_progress_bar", "enable_model_summary"),
        ),
        False,
    )
    for steps, checkpoint in ((2, None), (4, keep / "last.ckpt")):
        seed_everything(0)
        module = make()
        trainer = Trainer(max_steps=steps, max_epochs=-1, limit_val_batches=0, **quiet)
        trainer.fit(module, data(), ckpt_path=checkpoint)
        if checkpoint is None:
            trainer.save_checkpoint(keep / "last.ckpt")
    weights(module, keep / "resumed.safetensors")


def features_of(keep: Path) -> Any:
    """Twelve users, ten items, two features."""
    from datamodules import Interactions

    keep.mkdir(parents=True, exist_ok=True)
    pairs = [(u, i) for u in range(12) for i in range(10) if (u * 7 + i * 3) % 4 < 2]
    rows = "\n".join(f"u{u},i{i}" for u, i in pairs)
    (keep / "pairs.csv").write_text(f"user,item\n{rows}\n")
    items = "\n".join(f"i{i},{i % 3},{i / 10}" for i in range(10))
    (keep / "items.csv").write_text(f"item,group,weight\n{items}\n")
    paths = str(keep / "pairs.csv"), str(keep / "items.csv")
    return Interactions(paths[0], "user", "item", features=paths[1], batch_size=8)


def main(target: Path) -> None:
    import datamodules as d
    import lightning_modules as m

    torch.set_num_threads(1)
    for name, options in RUNS.items():
        command_line_run(name, options, target)
    python_run(
        lambda: m.WGANGP(
            m.MLPGenerator(2, (2,), (8,)), m.MLPCritic((2,), (8,)), n_critic=2
        ),
        lambda: d.PointClouds("ring8", batch_size=16),
        target / "python-wgan_gp",
    )
    python_run(
        lambda: m.WDGRL(
            m.MLPExtractor((2,), (6,)),
            m.LinearClassifier(6, 2),
            m.MLPCritic((6,), (5,)),
            2,
            n_critic=2,
        ),
        lambda: d.ShiftedBlobs(batch_size=16),
        target / "python-wdgrl",
    )
    python_run(
        lambda: m.CML(dim=2, n_negatives=3, scheduler=lambda o: m.LinearDecay(o, 6)),
        lambda: d.PlantedInteractions(batch_size=512),
        target / "python-cml",
    )
    keep = target / "python-cml-features"
    python_run(
        lambda: m.CML(dim=2, n_negatives=3, feature_weight=0.5, feature_hidden=(4,)),
        lambda: features_of(keep),
        keep,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
