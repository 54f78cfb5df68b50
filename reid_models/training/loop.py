"""The training loop: from a configuration and a data folder to weights."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from mtmc.errors import ConfigError, InputError, MtmcError
from mtmc.files import remove_leftovers, write_text
from reid_models.data.marks import Marks
from reid_models.data.samplers import build_sampler
from reid_models.data.samples import ReidSamples
from reid_models.embedding_network import EmbeddingNetwork
from reid_models.losses.objective import Parts
from reid_models.network_embedder import resolve_device
from reid_models.pair_verifier import save_verifier
from reid_models.training.averaging import AveragedModel
from reid_models.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from reid_models.training.config import OptimiserConfig, TrainConfig
from reid_models.training.dataset import (
    Classes,
    DrawBatches,
    TrainingImages,
    colourful_identities,
    read_batches,
    side_of,
)
from reid_models.training.distributed import Place
from reid_models.training.logs import TrainingLog
from reid_models.training.schedule import learning_rate
from reid_models.training.step import TrainingStep
from reid_models.training.validation import embed_samples, validate
from reid_models.weights import WeightsInfo, save_weights

CHECKPOINT, BEST, LAST = "checkpoint.safetensors", "best.safetensors", "last.safetensors"
BESIDE = "_verifier.safetensors"  # best_verifier, last_verifier: of trainings with `loss.verification_weight`
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Result:
    """What a training left: steps done, the scores of its last validation (empty without one), the weights to use."""

    steps: int
    scores: dict[str, float]
    weights: Path


class TrainingStopped(MtmcError):
    """A signal ended the training between two steps; a checkpoint is written and the same command continues."""

    exit_code = 130


class Trainer:
    """One training run. Build it, then `run()`. All that changes over time is in `progress` and the modules."""

    def __init__(self, config: TrainConfig, training: ReidSamples, validation: ReidSamples, out: Path,
                 info: WeightsInfo, place: Place | None = None, start: EmbeddingNetwork | None = None) -> None:
        """training, validation: images to learn from and images held out (may be none). out: folder of checkpoint,
        weights and log. info: description of the weights to be stored. start: a network to begin from."""
        self.config, self.validation, self.out, self.info = config, validation, Path(out), info
        self.place = place or Place()
        self.device = resolve_device(config.device)
        self.dtype = _DTYPES[training_precision(config.precision, self.device)]
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)  # the random start; every draw afterwards has a seed of its own
        self.images = TrainingImages(training, config)
        self.sampler = build_sampler(training, config.sampler, config.seed)
        made_up = config.data.mirrored_identities or config.data.recoloured_identities
        if made_up and not self.sampler.labelled:
            raise ConfigError("data.mirrored_identities, data.recoloured_identities",
                              f"false with sampler.kind: {config.sampler.kind}", "true",
                              "Without labels nobody knows which images must be changed alike.")
        colourful = colourful_identities(training, self.images) if config.data.recoloured_identities else {}
        self.classes = Classes(self.sampler.identities, colourful, config.data.mirrored_identities,
                               config.data.recoloured_identities)
        self.step = TrainingStep(config, len(self.classes), len(set(training.kinds) - {""}), self.dtype)
        self.model = self.step.model
        if start is not None:
            self.model.load_state_dict(start.state_dict(), strict=False)
        self.step.to(self.device)
        self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedModel(self.model, config.optimiser.ema) if config.optimiser.ema else None
        self.optimiser = build_optimiser(self.step, config.optimiser)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype is torch.float16)
        self.progress = self._resume()
        self.forward: nn.Module = self.step
        if self.place.world > 1:
            self.forward = DistributedDataParallel(self.step)

    @property
    def shipped(self) -> EmbeddingNetwork:
        """The network whose weights are validated and kept: the average where there is one."""
        return self.average.model if self.average else self.model  # type: ignore[return-value]

    def run(self, stop: Iterable[bool] = ()) -> Result:
        """Train to the end. `stop` is asked after each step; True ends the run with a checkpoint and
        `TrainingStopped`. A loss that is not finite raises `InputError` naming the batch."""
        config, stops = self.config, iter(stop)
        log = TrainingLog(self.out, self.progress.step) if self.place.leads else None
        bar = tqdm(total=None if config.minutes else config.steps, initial=self.progress.step, unit="step",
                   disable=not self.place.leads)
        saved = time.monotonic()
        try:
            for row in self._rows():
                bar.update()
                bar.set_postfix(loss=f"{row['loss']:.4f}", refresh=False)
                if self._due():
                    row |= self._validate()
                    bar.set_postfix(loss=f"{row['loss']:.4f}", val_map=f"{row.get('validation_map', 0):.1f}")
                if log:
                    log.write(row)
                if time.monotonic() - saved > 60 * config.checkpoint_minutes:
                    self._save()
                    saved = time.monotonic()
                # All processes stop after the same step, whenever the signal reached each.
                if self.place.agree(float(next(stops, False))):
                    self._save()
                    raise TrainingStopped(self.out, found=f"stopped after step {self.progress.step}",
                                          remedy="The same command continues from there.")
        finally:
            bar.close()
            if log:
                log.close()
        return self._finish()

    def _rows(self) -> Iterator[dict[str, float]]:
        """The log's row of each step to the end. A sampler that looks at the network's vectors has them renewed
        between two loaders, so that no batch was drawn ahead with older ones."""
        every = self.sampler.refresh_steps
        while self.progress.step < self._last_step() and self._share_done() < 1:
            if every and self.progress.step % every == 0:
                self.sampler.refresh(self._embed_rows)
            until = min(self._last_step(), (self.progress.step // every + 1) * every) if every else self._last_step()
            batches = DrawBatches(self.sampler, self.classes, self.images.samples, self.config, self.progress.step,
                                  until, self.place.rank, self.place.world)
            batches.side = side_of(self.config, self._share_done())
            yield from self._steps(read_batches(self.images, batches, self.config.data.workers), batches)

    def _embed_rows(self, rows: np.ndarray) -> np.ndarray:
        return embed_samples(self.shipped, self.images.samples.select(rows), self.device, self.dtype)

    def _steps(self, loader: Iterable[tuple[Tensor, list[Tensor]]],
               batches: DrawBatches) -> Iterator[dict[str, float]]:
        """Do one step after another, giving the log's row for each."""
        self.forward.train()
        began = time.monotonic()
        for images, marks in loader:
            share = self.place.agree(self._share_done())
            if share >= 1:
                return
            batches.side = side_of(self.config, share)
            rate = learning_rate(self.config.optimiser, share)
            parts, norm = self._step(images, Marks(*marks), rate)
            self._check(parts, norm, batches)
            if self.average:
                self.average.update(self.model, self.progress.step)
            took = time.monotonic() - began
            self.progress.step += 1
            self.progress.seconds += took
            yield {"step": self.progress.step, "seconds": self.progress.seconds, "learning_rate": rate,
                   "loss": float(parts.total), "metric_loss": float(parts.metric),
                   "identity_loss": float(parts.identity), "gradient_norm": float(norm),
                   "images_per_s": len(images) * self.place.world / max(took, 1e-9),
                   **{name: float(value) for name, value in parts.extras.items()}, **self.step.report()}
            began = time.monotonic()  # validations and checkpoints are not training time

    def _step(self, images: Tensor, marks: Marks, rate: float) -> tuple[Parts, Tensor]:
        """Forward, backward, update. images: uint8 (N, 3, H, W)."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        # Dropout draws from torch's own generator: a resumed run must draw the same.
        torch.manual_seed((self.config.seed * 1_000_003 + self.progress.step) * 1_009 + self.place.rank)
        marks = Marks(*(mark.to(self.device, non_blocking=True) for mark in marks))
        parts = self.forward(images.to(self.device, non_blocking=True), marks)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(parts.total).backward()
        self.scaler.unscale_(self.optimiser)
        limit = self.config.optimiser.gradient_clip or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return parts._replace(total=parts.total.detach()), norm

    def _check(self, parts: Parts, norm: Tensor, batches: DrawBatches) -> None:
        """Stop at a loss (or, where no scaler watches over it, a gradient) that is not finite."""
        fine = torch.isfinite(parts.total) & (torch.isfinite(norm) | self.scaler.is_enabled())
        if bool(fine):
            return
        step = self.progress.step
        names = "\n".join(str(self.images.samples.paths[d.row]) for d in batches.draws(step))
        listed = self.out / f"bad_batch_{step}_rank{self.place.rank}.txt"
        write_text(listed, names + "\n")
        found = f"loss {float(parts.total)}, gradient {float(norm)}"
        raise InputError(f"loss of step {step}", "a finite number", found,
                         f"The images of that batch are listed in {listed}; lower optimiser.learning_rate.")

    def _validate(self) -> dict[str, float]:
        """Score the images held out; keep the weights where they are the best so far."""
        scores: dict[str, float] = {}
        if self.place.leads and len(self.validation):
            began = validate(self.shipped, self.validation, self.device, self.dtype)
            scores = {"validation_map": began["map"], "validation_r1": began["r1"]}
            self.progress.history.append({"step": self.progress.step, **scores})
            if scores["validation_map"] > self.progress.best:
                self.progress.best = scores["validation_map"]
                self._export(BEST, scores)
        return scores

    def _finish(self) -> Result:
        scores = {k: v for k, v in (self.progress.history or [{}])[-1].items() if k != "step"}
        if not self.progress.history or self.progress.history[-1]["step"] != self.progress.step:
            scores = self._validate()
        self._save(scores)
        return Result(self.progress.step, scores, self.out / (BEST if len(self.validation) else LAST))

    def _export(self, name: str, scores: dict[str, float]) -> None:
        info = WeightsInfo(self.config.model, self.info.name, self.info.licence, self.info.training_data,
                           self.info.command, {**self.info.scores, **scores, "steps": float(self.progress.step)})
        save_weights(self.out / name, self.shipped, info)
        if self.step.objective.verification is not None:
            beside = self.out / name.replace(".safetensors", BESIDE)
            save_verifier(beside, self.step.objective.verification.verifier)

    def _modules(self) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {"model": self.model, "objective": self.step.objective}
        if self.step.penalty is not None:
            modules["penalty"] = self.step.penalty
        return modules | ({"average": self.average.model} if self.average else {})

    def _save(self, scores: dict[str, float] | None = None) -> None:
        """Checkpoint, and the weights as they are now. The leader's clock alone says when, so that here no process may
        wait for the others: they meet again in the next step."""
        if self.place.leads:
            self._export(LAST, scores or {})
            save_checkpoint(self.out / CHECKPOINT, self.config, self.progress, self._modules(), self.optimiser,
                            self.scaler, self.sampler.state())

    def _resume(self) -> Progress:
        path = self.out / CHECKPOINT
        if self.place.leads:
            remove_leftovers(self.out)
        if not path.is_file():
            return Progress()
        progress, sampler = load_checkpoint(path, self.config, self._modules(), self.optimiser, self.scaler)
        self.sampler.restore(sampler)
        return progress

    def _share_done(self) -> float:
        """Progress from 0 to 1, by time or by steps."""
        if self.config.minutes:
            return self.progress.seconds / (60 * self.config.minutes)
        return self.progress.step / self.config.steps

    def _last_step(self) -> int:
        # By time the end is unknown: far enough, and the loop ends when the time is up.
        return 10**9 if self.config.minutes else self.config.steps

    def _due(self) -> bool:
        return self.progress.step % self.config.validate_every == 0


def build_optimiser(step: nn.Module, config: OptimiserConfig) -> torch.optim.Optimizer:
    """Weight decay on matrices and filters only: norms, biases and factors of penalties have nothing to shrink."""
    trained = [p for p in step.parameters() if p.requires_grad]
    groups = [{"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
              {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0}]
    if config.kind == "sgd":
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=config.momentum)
    # One pass over the weights in place of five: a fifth of a step of a small network on a CPU.
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def training_precision(name: str, device: torch.device) -> str:
    """"auto": bfloat16 where the processor computes in it (it doubles the speed here), else float16 on a GPU and
    float32 on a CPU."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    with_bf16 = torch.backends.cpu.get_cpu_capability().startswith("AVX512") and _has_avx512_bf16()
    return "bfloat16" if with_bf16 else "float32"


def _has_avx512_bf16() -> bool:
    try:
        return "avx512_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
