"""Which of Lightning's strategies critics can train under."""

from lightning.pytorch.strategies import DDPStrategy, Strategy

from lightning_modules.core.lightning_internals import ddp_options

_REFUSED = {
    "FSDPStrategy": "FSDP supports no manual optimisation with two optimizers",
    "ModelParallelStrategy": "FSDP2 gives a wrong gradient penalty without a warning",
    "DeepSpeedStrategy": "DeepSpeed supports a single optimizer",
}


def prepare_strategy(strategy: Strategy) -> None:
    """Make plain ``ddp`` work for players in turn, and refuse what can't be right.

    Each backward pass of a critic method leaves the other side without gradients,
    which DDP accepts only with ``find_unused_parameters=True``.

    Raises:
        ValueError: For FSDP, FSDP2 and DeepSpeed, and for DDP with
            ``find_unused_parameters=False`` or ``static_graph=True``.
    """
    for cls in type(strategy).__mro__:
        if reason := _REFUSED.get(cls.__name__):
            raise ValueError(
                f"trainer.strategy '{cls.__name__}' cannot train a critic and its "
                f"player ({reason}): use trainer.strategy 'ddp'."
            )
    if isinstance(strategy, DDPStrategy):
        options = ddp_options(strategy)
        if not options.setdefault("find_unused_parameters", True):
            raise ValueError(
                "trainer.strategy with find_unused_parameters false cannot train a "
                "critic and its player, which leave each other's weights without "
                "gradients: use trainer.strategy 'ddp'."
            )
        if options.get("static_graph"):
            raise ValueError(
                "trainer.strategy with static_graph true cannot train a critic and its "
                "player, whose turns differ: use trainer.strategy 'ddp'."
            )
