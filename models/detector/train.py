"""Train the detector: `python -m models.detector.train --data DATA --labels LABELS --steps N`.

Resumable: run the same command again and it goes on from the last checkpoint. The learning rate rises, stays, and falls
to zero over the last `--fall` share of the steps, so that a training can still be given more steps before it falls.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from models.detector.data import Batch, Batches, load
from models.detector.find import Finder
from models.detector.loss import losses
from models.detector.mine import errors
from models.detector.network import SIZES, Detector
from models.detector.start import begin
from models.detector.teacher import cells
from models.program import run
from models.written import content
from pipeline.durable import write_whole
from pipeline.errors import InputError

SEED = 20
WARM = 300
LOWEST = 0.1
"""Lowest score of what counts as found where errors are looked for."""


class Steps(Dataset[Batch]):
    """The batches of steps `start` to `stop`, for a loader with workers."""

    def __init__(self, batches: Batches, start: int, stop: int) -> None:
        self.batches = batches
        self.start, self.stop = start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, i: int) -> Any:
        return {key: torch.from_numpy(value) for key, value in vars(self.batches[self.start + i]).items()}


class Trainer:
    """Network, its size, running mean of its weights, optimiser and step: what a checkpoint holds."""

    def __init__(self, rate: float, size: str = "standard") -> None:
        torch.manual_seed(SEED)
        self.size = size
        self.network = Detector(SIZES[size]).to(memory_format=torch.channels_last)
        self.mean = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
        decayed = [p for p in self.network.parameters() if p.ndim > 1]
        plain = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=rate)
        self.rate = rate
        self.step = 0

    def save(self, path: Path) -> None:
        """Write the checkpoint under another name, then put it in place."""
        parts = {"network": self.network, "mean": self.mean, "optimiser": self.optimiser}
        state = {name: part.state_dict() for name, part in parts.items()}
        state |= {"step": self.step, "size": self.size}
        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)  # of a run that was killed as it wrote
        coded = content(lambda file: torch.save(state, file))
        write_whole(lambda file: file.write(coded), path, part)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint. Raises InputError where it is of a network of another size."""
        state = torch.load(path, weights_only=True)
        if state["size"] != self.size:
            raise InputError(f"{str(path)!r} is of the size {state['size']!r}, not {self.size!r}; give another --out")
        self.network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]

    def begin(self, path: Path, batch: Batch) -> None:
        """Begin with the weights of an exported network; a batch's pictures give the statistics."""
        begin(self.network, path, torch.from_numpy(batch.images).float())
        self.mean.module.load_state_dict(self.network.state_dict())

    def learn(self, batch: dict[str, Tensor], rate: float) -> tuple[float, float, float]:
        """One step of gradient descent; the three losses. Raises FloatingPointError, naming the step, on NaN."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        images = batch["images"].float().contiguous(memory_format=torch.channels_last)
        centres, strides = (torch.from_numpy(part) for part in cells(images.shape[-1]))
        with torch.autocast("cpu", torch.bfloat16):
            maps = self.network(images)
        loss = losses(maps, batch, centres, strides)
        if not torch.isfinite(loss.total):
            value = loss.total.item()
            raise FloatingPointError(f"the loss of batch {self.step} (seed {SEED}) is {value}; lower --rate")
        self.optimiser.zero_grad()
        loss.total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimiser.step()
        self.mean.update_parameters(self.network)
        self.step += 1
        return loss.score.item(), loss.box.item(), loss.points.item()


def schedule(step: int, steps: int, fall: float) -> float:
    """The share of the full learning rate, in [0, 1], at a step."""
    left = (steps - step) / max(1.0, steps * fall)
    return min(1.0, (step + 1) / WARM, 0.5 - 0.5 * math.cos(math.pi * min(1.0, max(0.0, left))))


def main() -> None:
    """Train, with a checkpoint every `--every` steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds photos/ and detect_train/")
    parser.add_argument("--teacher", type=Path, required=True, help="an ONNX file of the YuNet kind")
    parser.add_argument("--sized", action="store_true", help="the teacher's scores fall with a face's size, as ours do")
    parser.add_argument("--mine", type=Path, help="a detector; photos on which it errs are drawn more often")
    parser.add_argument("--labels", type=Path, default=Path("runs/detector/labels.npz"))
    parser.add_argument("--out", type=Path, default=Path("runs/detector/checkpoint.pt"))
    parser.add_argument("--start", type=Path, help="an exported network to begin with (default: random weights)")
    parser.add_argument("--size", choices=SIZES, default="standard", help="how wide and deep (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=10000)
    parser.add_argument("--fall", type=float, default=0.8)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--every", type=int, default=250)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    trainer = Trainer(args.rate, args.size)
    if args.out.is_file():
        trainer.restore(args.out)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    photos = load(args.labels, args.data)
    found = errors(photos, Finder(args.mine, LOWEST)) if args.mine else None
    batches = Batches(photos, SEED, args.teacher, sized=args.sized, errors=found)
    if args.start and not trainer.step:
        trainer.begin(args.start, batches[args.steps])
    steps = Steps(batches, trainer.step, args.steps)
    loader = DataLoader(steps, batch_size=None, num_workers=args.workers, prefetch_factor=4)
    smooth = [0.0, 0.0, 0.0]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("training", total=args.steps, completed=trainer.step)
        for i, batch in enumerate(loader):
            terms = trainer.learn(batch, args.rate * schedule(trainer.step, args.steps, args.fall))
            share = max(0.01, 1 / (i + 1))
            smooth = [old + share * (new - old) for old, new in zip(smooth, terms, strict=True)]
            text = f"score {smooth[0]:.3f} box {smooth[1]:.3f} points {smooth[2]:.3f}"
            progress.update(task, completed=trainer.step, description=text)
            if trainer.step % args.every == 0 or trainer.step == args.steps:
                trainer.save(args.out)
                progress.console.print(f"step {trainer.step}: {text}")


if __name__ == "__main__":
    run(main)
