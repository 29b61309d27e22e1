"""Trains the emotion network: `python -m models.emotion.train --data FERPLUS_TRAIN.npz`.

Every epoch is a checkpoint, written whole or not at all; the same command goes on from the last one. Each epoch's
random state comes from the seed and its number, so that a run that was broken off ends as one that was not.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn import functional

from models.emotion.augment import augment
from models.emotion.data import Rows, hold_out, rows, taught
from models.emotion.evaluate import open_network
from models.emotion.faces import read_faces
from models.emotion.metrics import Faces, divergence, truth
from models.emotion.network import EmotionNet
from pipeline.errors import AffectError

CHECKPOINT = "checkpoint.pt"


class TrainingError(RuntimeError):
    """Training cannot start or go on; the message says why and what to do."""


def arguments() -> argparse.ArgumentParser:
    """The command line; README.md has the commands of the network that ships."""
    parser = argparse.ArgumentParser(prog="python -m models.emotion.train", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="npz of images and votes to learn from")
    add("--out", type=Path, default=Path("runs/emotion"), help="run folder (default: %(default)s)")
    add("--start", type=Path, help="run folder whose averaged weights to begin with (default: random weights)")
    add("--resume", action=argparse.BooleanOptionalAction, default=True, help="go on from the folder's checkpoint")
    add("--epochs", type=int, default=28)
    add("--batch", type=int, default=128, help="faces per step (default: %(default)s)")
    add("--rate", type=float, default=0.1, help="peak learning rate (default: %(default)s)")
    add("--decay", type=float, default=5e-4, help="weight decay (default: %(default)s)")
    add("--average", type=float, default=0.999, help="decay of the weight average per step (default: %(default)s)")
    add("--sharpen", type=float, default=0.1, help="the majority label's part of the target (default: %(default)s)")
    add("--teacher", type=Path, help="ONNX network (with its card) of an earlier generation to learn from as well")
    add("--trust", type=float, default=0.4, help="the teacher's part of the target (default: %(default)s)")
    add(
        "--degrade",
        type=float,
        default=0.25,
        help="share of faces shrunk, blurred or compressed (default: %(default)s)",
    )
    add("--erase", type=float, default=0.5, help="share of faces with a rectangle filled (default: %(default)s)")
    add("--dropout", type=float, default=0.3, help="share of pooled features dropped (default: %(default)s)")
    add(
        "--held-out", type=float, default=0.04, help="share of the rows kept for the temperature (default: %(default)s)"
    )
    add("--seed", type=int, default=1)
    add("--threads", type=int, default=2)
    return parser


def read_checkpoint(folder: Path) -> dict[str, Any]:
    """The state that `Run.save` wrote into a run folder. Raises TrainingError where there is none."""
    path = folder / CHECKPOINT
    if not path.is_file():
        raise TrainingError(f"no checkpoint at {str(path)!r}; train first: python -m models.emotion.train --help")
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def learning_rate(step: int, steps: int, peak: float) -> float:
    """One cycle: linear up to `peak` over the first 15 % of the steps, then a half cosine down to zero."""
    rise = 0.15 * steps
    if step < rise:
        return peak * (step + 1) / rise
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))


def predict(network: nn.Module, images: NDArray[np.uint8], batch: int = 256) -> Tensor:
    """Logits (n, 8), float32, of `images` uint8 (n, 48, 48); the network is left in evaluation mode."""
    network.eval()
    parts = torch.from_numpy(images).unsqueeze(1).split(batch)
    with torch.no_grad():
        return torch.cat([network(part.contiguous(memory_format=torch.channels_last)).float() for part in parts])


def measure(network: nn.Module, faces: Faces) -> dict[str, float]:
    """Majority accuracy and mean KL (nats) over the kept rows, at temperature 1."""
    votes = truth(faces.votes)
    found = torch.softmax(predict(network, faces.images), 1).numpy()[votes.kept]
    hit = found.argmax(1) == votes.majority[votes.kept]
    return {"accuracy": float(hit.mean()), "kl": float(divergence(votes.shares[votes.kept], found).mean())}


class Run:
    """A training run in a folder: network, its averaged copy, optimiser, and how far they have come."""

    def __init__(self, options: argparse.Namespace, learn: Rows) -> None:
        torch.manual_seed(options.seed)
        self.options = options
        self.learn = learn
        self.network = EmotionNet(dropout=options.dropout).to(memory_format=torch.channels_last)
        if options.start:
            self.network.load_state_dict(read_checkpoint(options.start)["average"])
        self.average = EmotionNet().to(memory_format=torch.channels_last)
        self.average.load_state_dict(self.network.state_dict())
        # Norms and biases are not decayed: they do not overfit, and decay only fights the loss for them.
        kernels = [p for p in self.network.parameters() if p.ndim > 1]
        others = [p for p in self.network.parameters() if p.ndim <= 1]
        groups = [{"params": kernels, "weight_decay": options.decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.SGD(groups, lr=options.rate, momentum=0.9, nesterov=True)
        self.epoch = 0
        self.steps = len(learn.images) // options.batch
        self.checkpoint = options.out / CHECKPOINT
        fixed = {key: value for key, value in vars(options).items() if key not in ("out", "resume", "threads")}
        self.recipe = {key: str(value) if isinstance(value, Path) else value for key, value in fixed.items()}

    def save(self) -> None:
        """Writes the checkpoint beside the old one and renames it: a kill leaves one of the two, whole."""
        state = {"epoch": self.epoch, "recipe": self.recipe, "network": self.network.state_dict()}
        state |= {"average": self.average.state_dict(), "optimizer": self.optimizer.state_dict()}
        part = self.checkpoint.with_suffix(".part")
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.checkpoint)

    def load(self) -> None:
        """Goes back to the checkpoint. Raises TrainingError where it is of another recipe."""
        state = read_checkpoint(self.options.out)
        changed = {
            key: (state["recipe"].get(key), value)
            for key, value in self.recipe.items()
            if state["recipe"].get(key) != value
        }
        if changed:
            told = ", ".join(f"--{key} was {old}, is {new}" for key, (old, new) in changed.items())
            raise TrainingError(f"{self.checkpoint} is of another recipe ({told}); give another --out or --no-resume")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch = state["epoch"]

    def train_epoch(self, progress: Progress) -> float:
        """One pass over the rows; returns its mean loss. Raises TrainingError at a loss that is not finite."""
        options = self.options
        torch.manual_seed(options.seed * 10_007 + self.epoch)
        order = np.random.default_rng((options.seed, self.epoch)).permutation(len(self.learn.images))
        self.network.train()
        total = 0.0
        task = progress.add_task(f"epoch {self.epoch + 1}/{options.epochs}", total=self.steps, loss="")
        for batch in range(self.steps):
            step = self.epoch * self.steps + batch
            rate = learning_rate(step, options.epochs * self.steps, options.rate)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            pick = order[batch * options.batch : (batch + 1) * options.batch]
            faces = augment(
                torch.from_numpy(self.learn.images[pick]).unsqueeze(1), degrade=options.degrade, erase=options.erase
            )
            targets, weights = torch.from_numpy(self.learn.targets[pick]), torch.from_numpy(self.learn.weights[pick])
            with torch.autocast("cpu", torch.bfloat16):
                logits = self.network(faces.contiguous(memory_format=torch.channels_last))
            losses = -(targets * functional.log_softmax(logits.float(), 1)).sum(1)
            loss = (losses * weights).sum() / weights.sum()
            if not torch.isfinite(loss):
                raise TrainingError(
                    f"loss is {loss.item()} in epoch {self.epoch + 1}, batch {batch + 1} (rows {pick[:4].tolist()} "
                    f"and on); the checkpoint of epoch {self.epoch} is whole: try a lower --rate than {options.rate}"
                )
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self._follow(min(options.average, (1 + step) / (10 + step)))
            total += loss.item()
            progress.update(task, advance=1, loss=f"loss {total / (batch + 1):.4f}")
        progress.remove_task(task)
        self.epoch += 1
        return float(total / self.steps)

    def _follow(self, decay: float) -> None:
        """Moves the average by 1 - `decay` of the way to the network, running statistics of the norms included."""
        average, network = self.average.state_dict(), self.network.state_dict()
        keys = [key for key, value in average.items() if value.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([average[key] for key in keys], [network[key] for key in keys], 1 - decay)


def main() -> None:
    """Trains to the last epoch; the averaged weights of that epoch, chosen by nothing else, are the network."""
    options = arguments().parse_args()
    torch.set_num_threads(options.threads)
    faces = read_faces(options.data)
    learn_faces, held = hold_out(faces, options.held_out, options.seed)
    learn = rows(learn_faces, sharpen=options.sharpen)
    if options.teacher:
        learn = taught(learn, open_network(options.teacher), trust=options.trust)
    options.out.mkdir(parents=True, exist_ok=True)
    run = Run(options, learn)
    if options.resume and run.checkpoint.exists():
        run.load()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, TextColumn("{task.fields[loss]}")) as progress:
        progress.print(
            f"{len(faces.images)} rows, {len(held.images)} of them held out, {len(learn.images)} to learn from"
        )
        while run.epoch < options.epochs:
            begin = time.monotonic()
            loss = run.train_epoch(progress)
            run.save()
            told = {"epoch": run.epoch, "loss": loss, "seconds": time.monotonic() - begin}
            told |= {f"held_{key}": value for key, value in measure(run.average, held).items()}
            progress.print(json.dumps({key: round(value, 4) for key, value in told.items()}))
            with (options.out / "history.jsonl").open("a") as file:
                file.write(json.dumps(told) + "\n")
        progress.print(f"done: {run.checkpoint}; next: python -m models.emotion.export --run {options.out} ...")


if __name__ == "__main__":
    try:
        main()
    except (AffectError, TrainingError) as error:
        raise SystemExit(f"error: {error}") from error
