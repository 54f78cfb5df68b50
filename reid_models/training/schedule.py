"""Learning rates by progress."""

from __future__ import annotations

import math

from reid_models.training.config import OptimiserConfig


def learning_rate(config: OptimiserConfig, progress: float) -> float:
    """The rate at a progress of 0 (first step) to 1 (end): linear warm-up, then cosine or steps."""
    rate = config.learning_rate
    if config.warmup_share and progress < config.warmup_share:
        start = config.warmup_start
        return rate * (start + (1 - start) * progress / config.warmup_share)
    if config.schedule == "step":
        return rate * config.step_factor ** sum(progress >= milestone for milestone in config.milestones)
    after = (min(progress, 1.0) - config.warmup_share) / (1 - config.warmup_share)
    floor = config.final_factor
    return rate * (floor + (1 - floor) * (1 + math.cos(math.pi * after)) / 2)
