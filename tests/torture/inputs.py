"""Values that a key can't have."""

import random

import yaml

from tests.support.command_line import tiny
from tests.torture.commands import run, sentence
from tests.torture.runs import trial_folder

BAD = ("banana", "[[]]", "nan", "-7", "{a: 1}", "'0x'", "1e400", "[1,2,3,4,5]")
KEYS = (
    *("trainer.max_steps", "trainer.max_epochs", "trainer.devices"),
    *("trainer.precision", "trainer.accelerator", "trainer.strategy"),
    *("trainer.val_check_interval", "trainer.log_every_n_steps"),
    *("trainer.limit_val_batches", "trainer.limit_train_batches"),
    *("trainer.check_val_every_n_epoch", "trainer.callbacks", "trainer.logger"),
    *("trainer.num_sanity_val_steps", "trainer.max_time", "trainer.benchmark"),
    *("model", "model.n_critic", "model.penalty_weight", "model.norm_order"),
    *("model.slope", "model.critic", "model.critic.hidden", "model.critic.shape"),
    *("model.generator", "model.generator.hidden", "model.generator.latent_dim"),
    *("model.generator.shape", "model.critic_optimizer", "model.critic_clip_norm"),
    *("data", "data.batch_size", "data.n_train", "data.n_val", "data.n_test"),
    *("data.name", "data.num_workers", "data.seed", "seed_everything", "ckpt_path"),
)
FINE = {
    ("model.critic_clip_norm", "1e400"),  # infinity: no limit
    ("model.norm_order", "1e400"),  # the largest entry
    ("model.generator.hidden", "[1,2,3,4,5]"),
    ("model.critic.hidden", "[1,2,3,4,5]"),
}


def inputs(rng: random.Random) -> tuple[int, list[str]]:
    """A value that a key can't have."""
    key, value = rng.choice([(k, v) for k in KEYS for v in BAD if (k, v) not in FINE])
    with trial_folder() as folder:
        (folder / "tiny.yaml").write_text(yaml.safe_dump(tiny()))
        ended = run(["fit", "--config", "tiny.yaml", f"--{key}={value}"], folder)
        wrong = sentence(ended, 2)
        made = {p.name for p in folder.iterdir()} - {"tiny.yaml", "out.txt", "err.txt"}
        wrong += [f"{sorted(made)} remains"] if made else []
    return 1, [f"{key}={value}: {one}" for one in wrong]
