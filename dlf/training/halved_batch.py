"""The same training in half the memory: batches of half the size, twice as many to a step."""

from dlf.config import Config, Value

SMALLEST_BATCH = 2


def halved_batch(config: Config) -> Config | None:
    """Return a configuration that takes the same steps with half the clips in memory at once.

    The gradients of a step are summed over its batches, each the mean over its clips: twice as many
    batches of half the size come to twice the sum. Bounds of that sum are doubled along, and so is
    the weight decay that `adam` adds to it; else Adam does not mind the scale, but for its epsilon.
    The decay of `adamw` is no part of the sum.

    The steps are equal as far as the loss of a batch is the mean of those of its clips. The margin
    loss, which compares the clips of a batch with each other, sees fewer of them; dropout is drawn
    anew; clips meet in other batches; and a gradient that leaves its bounds within what was one
    batch is bounded there already.

    Returns:
        The configuration, or none where a batch cannot be halved.
    """
    recipe = config.training
    size, odd = divmod(recipe.batch_size, 2)
    if odd or size < SMALLEST_BATCH:
        return None
    values: dict[str, Value] = {"batch_size": size, "accumulation": 2 * recipe.accumulation}
    if recipe.clipping != "none":
        values["clip_at"] = 2 * recipe.clip_at
    if recipe.optimizer == "adam":
        values["weight_decay"] = 2 * recipe.weight_decay
    return config.with_values(values)
