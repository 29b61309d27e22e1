"""Trains a network by a recipe, epoch by epoch; the command is `affectstream train` (README.md beside this file).

Every epoch is a checkpoint, written whole or not at all; the same command goes on from the last one. Each epoch's
random state comes from the seed and its number, so that a run that was broken off ends as one that was not.
"""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from torch import nn

from models.emotion.augment import augment
from models.emotion.checkpoint import TrainingError, final_weights, read_checkpoint, write_checkpoint
from models.emotion.data import Teacher, mean, rarity, rows, taught
from models.emotion.evaluate import open_network
from models.emotion.faces import LabelledFaces
from models.emotion.folds import Parts
from models.emotion.ingredients import Optimizer, Started
from models.emotion.losses import losses, weighted
from models.emotion.metrics import divergence, truth
from models.emotion.network import Network, build, predict
from models.emotion.recipe import DESCRIPTION, Recipe, flat
from models.emotion.runs import CHECKPOINT
from models.emotion.start import begin, network_file, open_start
from pipeline.errors import InputError
from pipeline.labels import LABELS


def learning_rate(step: int, steps: int, peak: float) -> float:
    """One cycle: linear up to `peak` over the first 15 % of the steps, then a half cosine down to zero."""
    rise = 0.15 * steps
    if rise < 30:
        # Whole, or the last rising step would lie above the peak: far above in a run of few steps. In long runs, by
        # less than a thirtieth, it stays as it was when the figures in README.md were reached.
        rise = math.ceil(rise)
    if step < rise:
        return peak * (step + 1) / rise
    return peak * 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))


def open_device(name: str) -> torch.device:
    """The device of that name; raises InputError where it is not there, rather than training on another."""
    if name == "cuda" and not torch.cuda.is_available():
        reason = "this build of torch has no CUDA" if torch.version.cuda is None else "torch finds no usable GPU"
        raise InputError(f"--device cuda: {reason}; give --device cpu")
    # Else convolutions on a GPU may differ from one run to the next.
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    return torch.device(name)


def measure(network: nn.Module, faces: LabelledFaces) -> dict[str, float]:
    """Majority accuracy and mean KL (nats) over the rows that have a majority, at temperature 1."""
    votes = truth(faces.votes)
    columns = [LABELS.index(label) for label in faces.labels]
    said = torch.softmax(predict(network, faces.images[votes.kept]), 1).numpy()
    hit = np.array(columns)[said.argmax(1)] == votes.majority[votes.kept]
    return {"accuracy": float(hit.mean()), "kl": float(divergence(votes.shares[votes.kept][:, columns], said).mean())}


def _finite(network: nn.Module) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in network.state_dict().values())


def optimizer(network: nn.Module, settings: Optimizer) -> torch.optim.Optimizer:
    """Norms and biases are not decayed: they do not overfit, and decay only fights the loss for them."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": settings.decay}, {"params": others, "weight_decay": 0.0}]
    match settings.name:
        case "sgd":
            return torch.optim.SGD(groups, lr=settings.rate, momentum=0.9, nesterov=True)
        case "adam":
            return torch.optim.Adam(groups, lr=settings.rate)
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=settings.rate, alpha=0.9)


class Run:
    """A training run in a folder: network, its averaged copy, optimiser, and how far they have come.

    Args:
        recipe: resolved (see `start.resolve`).
        parts: faces with votes on the recipe's labels.
        folder: for the checkpoint; made if missing.
        device: of `open_device`.
        data: hash of the faces, so that a checkpoint is not gone on from with others.

    Raises:
        InputError: the parts are too small, or what the recipe starts with or learns from cannot be had.
    """

    def __init__(
        self, recipe: Recipe, parts: Parts, folder: Path, device: torch.device | None = None, data: str = ""
    ) -> None:
        assert recipe.labels is not None
        assert not isinstance(recipe.architecture, Started)
        self.recipe, self.folder, self.data = recipe, folder, data
        self.device = device or torch.device("cpu")
        self.held = parts.held
        if not truth(self.held.votes).kept.any():
            raise InputError(f"no held-out face of {self.held.name} has a majority; give a larger split.held_out")
        lost = parts.lost(recipe.split)
        self.learn = rows(parts.learn, targets=recipe.targets, sharpen=recipe.sharpen, lost=lost)
        self.steps = len(self.learn.images) // recipe.batch
        if not self.steps:
            raise InputError(f"{len(self.learn.images)} faces make no batch of {recipe.batch}; give a smaller batch")
        self.odds, self.counts = self._balance()
        self.teacher = self._teacher()

        torch.manual_seed(recipe.seed)
        network = build(recipe.architecture, len(recipe.labels))
        if recipe.start is not None:
            begin(network, open_start(recipe.start), recipe.labels)
        self.network: Network = network.to(self.device)
        self.average: Network = build(recipe.architecture, len(recipe.labels), dropout=False).to(self.device)
        self.average.load_state_dict(self.network.state_dict())
        self.optimizer = optimizer(self.network, recipe.optimizer)
        self.epoch = 0
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] = {}

    @property
    def done(self) -> bool:
        """Whether there is no epoch left to train, or none that early stopping would allow."""
        patience = self.recipe.patience
        late = patience is not None and self.best and self.epoch - self.best["epoch"] >= patience
        return bool(late) or self.epoch >= self.recipe.epochs

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds (see `read_checkpoint`)."""
        return {
            "epoch": self.epoch,
            "recipe": self.recipe.model_dump(mode="json"),
            "data": self.data,
            "history": self.history,
            "best": self.best,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def save(self) -> None:
        """Writes the checkpoint."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_checkpoint(self.folder, self.state())

    def load(self) -> None:
        """Goes back to the checkpoint in the folder. Raises InputError where it is of another recipe or other faces."""
        state = read_checkpoint(self.folder)
        old, new = flat(state["recipe"]), flat(self.recipe.model_dump(mode="json"))
        differ = [
            key for key in {**new, **old} if key.split(".")[0] not in DESCRIPTION and old.get(key) != new.get(key)
        ]
        told = [f"{key} was {old.get(key)}, is {new.get(key)}" for key in differ]
        if state.get("data", self.data) != self.data:
            told.append("the faces are others")
        if told:
            path = self.folder / CHECKPOINT
            raise InputError(f"{path} is of another recipe ({'; '.join(told)}); give another --out or --no-resume")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.history, self.best = state["epoch"], state.get("history", []), state.get("best", {})

    def final(self) -> Network:
        """The network that the run came to, on the CPU, in evaluation mode."""
        assert self.recipe.labels is not None
        assert not isinstance(self.recipe.architecture, Started)
        network = build(self.recipe.architecture, len(self.recipe.labels), dropout=False)
        network.load_state_dict(final_weights(self.state()))
        network.eval()
        return network

    def advance(self, progress: Progress) -> dict[str, float]:
        """Trains an epoch, measures the average on the held-out rows and saves; returns what the history says of it.

        Raises:
            TrainingError: the loss or what came of it is not finite; nothing of this epoch is saved.
        """
        begun = time.monotonic()
        if self.teacher is not None and self.recipe.teaching == "clean":
            # Once for all epochs; here, because it takes long, and a run that is done has no need of it.
            task = progress.add_task("asking the teachers about every face", total=None, loss="")
            self.learn = taught(self.learn, self.teacher, trust=self.recipe.trust)
            self.teacher = None
            progress.remove_task(task)
        loss = self._train_epoch(progress)
        told = {"epoch": self.epoch, "loss": loss, "rate": self.optimizer.param_groups[0]["lr"]}
        told |= {f"held_{key}": value for key, value in measure(self.average, self.held).items()}
        told["seconds"] = time.monotonic() - begun
        if not (math.isfinite(told["held_kl"]) and _finite(self.network) and _finite(self.average)):
            raise TrainingError(f"what was learnt is not finite after epoch {self.epoch}; {self._way_out()}")
        self.history.append(told)
        value = told[f"held_{self.recipe.watch}"]
        sign = 1 if self.recipe.watch == "accuracy" else -1
        if self.recipe.patience and sign * value > sign * self.best.get("value", -sign * math.inf):
            weights = {name: weight.detach().clone() for name, weight in self.average.state_dict().items()}
            self.best = {"epoch": self.epoch, "value": value, "weights": weights}
        self.save()
        return told

    def _train_epoch(self, progress: Progress) -> float:
        """One pass over the rows; returns its mean loss."""
        recipe = self.recipe
        torch.manual_seed(recipe.seed * 10_007 + self.epoch)
        order = self._order()
        self.network.train()
        total = 0.0
        task = progress.add_task(f"epoch {self.epoch + 1}/{recipe.epochs}", total=self.steps, loss="")
        try:
            for batch in range(self.steps):
                total += self._step(order[batch * recipe.batch : (batch + 1) * recipe.batch], batch)
                progress.update(task, advance=1, loss=f"loss {total / (batch + 1):.4f}")
        finally:
            progress.remove_task(task)
        self.epoch += 1
        return float(total / self.steps)

    def _step(self, pick: NDArray[np.int64], batch: int) -> float:
        """Learns from the rows `pick`; returns the loss."""
        recipe, step = self.recipe, self.epoch * self.steps + batch
        for group in self.optimizer.param_groups:
            cycle = recipe.optimizer.schedule == "cycle"
            rate = recipe.optimizer.rate
            group["lr"] = learning_rate(step, recipe.epochs * self.steps, rate) if cycle else rate
        faces = augment(torch.from_numpy(self.learn.images[pick]).unsqueeze(1), recipe.augment)
        targets = torch.from_numpy(self.learn.targets[pick])
        if self.teacher is not None:
            seen = faces.round().to(torch.uint8).squeeze(1).numpy()
            targets = (1 - recipe.trust) * targets + recipe.trust * torch.from_numpy(self.teacher(seen))
        weights = torch.from_numpy(self.counts[pick])
        inputs = faces.to(self.device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            logits = self.network(inputs)
        focus = recipe.focus if recipe.loss == "focal" else 0.0
        loss = weighted(losses(logits, targets.to(self.device), focus), weights.to(self.device))
        if not torch.isfinite(loss):
            places = ", ".join(map(str, self.learn.places[pick[:4]]))
            raise TrainingError(
                f"loss is {loss.item()} in epoch {self.epoch + 1}, batch {batch + 1} (rows {places} and on of the "
                f"data); {self._way_out()}"
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self._follow(min(recipe.average, (1 + step) / (10 + step)))
        return float(loss.item())

    def _way_out(self) -> str:
        smaller = (
            f"train anew with a smaller rate: --no-resume --set optimizer.rate={self.recipe.optimizer.rate / 10:g}"
        )
        return f"{len(self.history)} epochs are kept; {smaller}" if self.history else smaller

    def _follow(self, decay: float) -> None:
        """Moves the average by 1 - `decay` of the way to the network, running statistics of the norms included."""
        average, network = self.average.state_dict(), self.network.state_dict()
        keys = [key for key, value in average.items() if value.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_([average[key] for key in keys], [network[key] for key in keys], 1 - decay)

    def _order(self) -> NDArray[np.int64]:
        """The rows of this epoch: each once, or drawn by their odds."""
        rng, count = np.random.default_rng((self.recipe.seed, self.epoch)), len(self.learn.images)
        return rng.permutation(count) if self.odds is None else rng.choice(count, count, p=self.odds)

    def _balance(self) -> tuple[NDArray[np.float64] | None, NDArray[np.float32]]:
        """The odds (n,) with which rows are drawn, None for each once; how much each counts in the loss (n,)."""
        counts = self.learn.weights
        if self.recipe.balance == "none":
            return None, counts
        rare = rarity(self.learn)
        if self.recipe.balance == "weights":
            return None, (counts * rare).astype(np.float32)
        return rare / rare.sum(), counts

    def _teacher(self) -> Teacher | None:
        """What the teachers say on average, until they have been asked; None where there are none."""
        assert self.recipe.labels is not None
        if not self.recipe.teachers:
            return None
        networks: list[Teacher] = [open_network(network_file(name)) for name in self.recipe.teachers]
        return mean(networks, self.recipe.labels)
