"""Check of the training strategy."""

from lightning.pytorch.strategies import DDPStrategy, Strategy

from lightning_modules.core.lightning_internals import ddp_options

_REFUSED = {
    "FSDPStrategy": "FSDP supports no manual optimisation with two optimizers",
    "ModelParallelStrategy": "FSDP2 gives a wrong gradient penalty without a warning",
    "DeepSpeedStrategy": "DeepSpeed supports a single optimizer",
}


def prepare_strategy(strategy: Strategy) -> None:
    """Configure DDP for alternating optimisation, and refuse unsupported strategies.

    Each backward pass of a critic or of a generator leaves the other without gradients,
    which DDP accepts only with ``find_unused_parameters=True``.

    Raises:
        ValueError: For FSDP, FSDP2 and DeepSpeed, and for DDP with
            ``find_unused_parameters=False`` or ``static_graph=True``.
    """
    for cls in type(strategy).__mro__:
        if reason := _REFUSED.get(cls.__name__):
            raise ValueError(
                f"trainer.strategy '{cls.__name__}' does not support alternating "
                f"optimisation ({reason}): use trainer.strategy 'ddp'."
            )
    if isinstance(strategy, DDPStrategy):
        options = ddp_options(strategy)
        if not options.setdefault("find_unused_parameters", True):
            raise ValueError(
                "trainer.strategy with find_unused_parameters false does not support "
                "alternating optimisation, where some weights get no gradients: use "
                "trainer.strategy 'ddp'."
            )
        if options.get("static_graph"):
            raise ValueError(
                "trainer.strategy with static_graph true does not support alternating "
                "optimisation, whose graph changes: use trainer.strategy 'ddp'."
            )
