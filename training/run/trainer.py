"""A run from its config to its weights: begin or resume, step, log, save, stop on a signal."""

from __future__ import annotations

import json
import math
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path

import torch

from zoo import datasets
from zoo.common import files
from zoo.common.devices import local_device, pick_device
from zoo.common.errors import WeightsCorruptedError, ZooError
from zoo.schema.config import ModelConfig

from ..compiling import Compiling, keep_compiled_code, obstacle
from ..data import Batches
from ..engine import Engine
from ..graph import GraphedEngine
from ..networks import Networks
from ..noise import CountedNoise
from ..precision import set_precision
from ..processes import Processes, check_divides, joined
from . import checkpoint, exporting, own_data, resuming, starting_point
from .metrics_log import MetricsLog
from .run_folder import RunFolder, core, device_name, environment
from .run_options import Options as Options
from .run_progress import RunProgress
from .stopping import RunStoppedError, stop_signals

Hook = Callable[["Run"], "dict[str, float] | None"]


def train(config: ModelConfig, options: Options, hooks: Sequence[Hook] = ()) -> Path:
    """Train a config and export its generator; returns the run folder.

    Args:
        hooks: called with the run after each generator step (`run.step` have been done); what they return is logged
            with the losses. A hook only measures; if it changes state or draws random numbers, resuming is only as
            exact as the hook.

    Raises:
        ZooError: the folder holds a run already, or (with `resume`) none, or one of another config, seed, data or
            number of processes; the model to start from does not fit; a loss is not finite; the disk is full.
        DataUnavailableError: the data set is not available offline.
        RunStoppedError: SIGINT or SIGTERM came; everything is saved.
    """
    keep_compiled_code()
    device = local_device(pick_device(options.device))
    with joined(device) as processes:
        check_divides(config.training.batch_size, processes)
        run = Run(config, options, device, processes, hooks)
        try:
            with run.folder.locked() if processes.is_writer else nullcontext():
                run.start()
                run.train_remaining()
        finally:
            run.engine.leave()
    return options.out


class Run:
    """One start of a run, fresh or resumed."""

    def __init__(
        self,
        config: ModelConfig,
        options: Options,
        device: torch.device,
        processes: Processes,
        hooks: Sequence[Hook] = (),
    ):
        self.folder = RunFolder(options.out)
        self.planned = resuming.planned_steps(self.folder) if options.resume else None
        config, options = own_data.of_run(config, options, self.folder)
        self.seed = resuming.seed_of(self.folder, options.seed) if options.resume else options.seed or 0
        if not options.resume:
            starting_point.check_frozen(config, options.start_from)
        self.options, self.device, self.processes = options, device, processes
        self.hooks = hooks
        source = None if options.resume else options.start_from
        self.beginning = None if source is None else starting_point.read(source)
        self.dataset = datasets.load_for(config, root=options.data, progress=processes.is_writer)
        if options.classes is not None:
            self.dataset = datasets.first_classes(self.dataset, options.classes)
        datasets.check_classes(config, self.dataset)
        if not options.resume:
            config = own_data.recorded(config, self.dataset, options)
        self.config = config
        self.identity = {
            "recipe": config.origin.recipe if config.origin else config.name,
            "config": checkpoint.config_digest(json.dumps(core(config))),
            "seed": str(self.seed),
            "data": self.dataset.checksum,
            "processes": str(processes.size),
        }
        set_precision(config.training.precision)
        self.networks = Networks.build(config, device, self.seed)
        torch.manual_seed(self.seed)  # of what a plugin makes; batches and latents are counted, not drawn
        noise = CountedNoise(self.seed, device, processes.rows(config.training.batch_size).start)
        self.engine = Engine(config, self.networks, noise, processes)
        self.compiling = self._compiling()
        self.step = 0

    def _compiling(self) -> Compiling:
        training = self.config.training
        return Compiling(
            self.options.compile,
            self.device,
            lambda: obstacle(self.device, self.engine.terms, self.processes),
            trusted=all(part.type != "custom" for part in (*training.auxiliary, *training.regularizers)),
        )

    def start(self) -> None:
        """Create the folder, or restore the state from it."""
        message = self._resume() if self.options.resume else self._begin()
        if self.processes.is_writer:
            if self.options.preview:
                datasets.write_contact_sheet(self.dataset, self.options.preview)
            if self.options.resume and self.planned != self.config.training.steps:
                files.write_atomically(self.folder.path / "config.json", self.config.to_json().encode())
            if not self.options.resume:
                self._save_beginning()
                self.folder.create(self.config)
                self.folder.keep_plugins(self.options.plugins)
            elif self.config != (now := own_data.moved(self.config, self.options.data)):
                self.folder.write(now)
            self.folder.clear_the_way()
            self.folder.rewind(self.step)
            self.folder.mend_best()
            about = environment(self.device) | self.identity | {"step": self.step, "source": self.dataset.source}
            data = self.options.data
            self.folder.note_start(about | {resuming.DATA: str(data.absolute()) if data else None})
            for line in (datasets.describe(self.dataset), self.options.note, message, self.compiling.complaint()):
                if line:
                    print(line, flush=True)

    def _begin(self) -> str | None:
        """Take the networks of another model, if the run starts from one."""
        if self.beginning is None:
            return None
        beginning, message = starting_point.begin_with(self.beginning, self.networks, self.config)
        self.config = own_data.begun_with(self.config, beginning)
        self.identity |= self.beginning.record
        self.beginning = None  # its tensors are copied
        return message

    def _save_beginning(self) -> None:
        """Save the networks that the run starts from, before its config: a run needs no source once it has begun."""
        if self.options.start_from is None:
            checkpoint.path_of(self.folder.checkpoints, 0).unlink(missing_ok=True)  # of one killed at this point
        else:
            checkpoint.save(self.folder.checkpoints, 0, self.networks, self.identity | self.compiling.record())

    def _resume(self) -> str:
        """Restore the newest intact checkpoint; the message names each damaged one."""
        damaged = []
        for step in reversed(checkpoint.steps(self.folder.checkpoints)):
            path = checkpoint.path_of(self.folder.checkpoints, step)
            try:
                header = checkpoint.load(path, self.networks)
            except WeightsCorruptedError as error:
                damaged.append(str(error))
                continue
            self._check_identity(header, path)
            resuming.check_source(header, self.options.start_from, path)
            self.identity |= {key: value for key, value in header.items() if key.startswith("from")}
            self.step = step
            plan = resuming.plan(self.config, self.planned or step, step)
            lines = [*damaged, f"continuing from step {step} ({path})", *plan, self.compiling.follow(header)]
            return "\n".join(line for line in lines if line)
        if damaged:
            raise ZooError(f"no checkpoint of {self.folder.path} can be read: {'; '.join(damaged)}")
        return f"{self.folder.path} has no checkpoint yet: starting at step 0"

    def _check_identity(self, header: dict[str, str], path: Path) -> None:
        what = {"seed": "--seed", "data": "--data", "processes": "--nproc-per-node", "config": "the config"}
        for key, option in what.items():
            if header.get(key) != self.identity[key]:
                raise ZooError(
                    f"{path} was made with {key} {_short(header.get(key))}, not {_short(self.identity[key])}; resume "
                    f"with the same {option}, or start another run in another folder"
                )

    # ---------------------------------------------------------------------------------------------------- the loop

    def train_remaining(self) -> None:
        """Run all remaining steps."""
        training, options = self.config.training, self.options
        total = training.steps
        self.compiling.begin(self.step)
        engine = self._stepping()
        batches = Batches(self.config, self.dataset, self.seed, self.device, self.processes)
        images = training.batch_size * training.accumulation * training.discriminator_steps
        with ExitStack() as stack:
            stopped = stack.enter_context(stop_signals(options.minutes))
            progress = stack.enter_context(RunProgress(self.step, total, images, self.processes.is_writer))
            log = stack.enter_context(MetricsLog(self.folder, self.step, self.processes.is_writer))
            while self.step < total:
                metrics = engine.step(*batches.of_step(self.step), self.step)
                self.step += 1
                if self.compiling.decide(self.step, total):
                    engine = self._stepping()
                self._is_best = False
                noted = {name: value for hook in self.hooks for name, value in (hook(self) or {}).items()}
                logs, saves = self.step % options.log_every == 0, self.step % options.save_every == 0 or self._is_best
                stopping = self.processes.any(bool(stopped())) if self._asks(logs or saves) else False
                if logs or saves or stopping or noted or self.step == total:
                    values = self._values(metrics) | noted
                    log.write(self.step, values, progress.rate(self.step))
                    progress.report(self.step, values)
                if saves or stopping or self.step == total:
                    self.save()
                if stopping and self.step < total:
                    raise RunStoppedError(
                        stopped() or signal.SIGTERM,
                        f"stopped after step {self.step} of {total}, saved; continue with the same command "
                        f"and --resume",
                    )
                progress.advance(self.step)
        if self.processes.is_writer:
            self._export_if_missing()

    def _stepping(self) -> Engine | GraphedEngine:
        """Return the engine in the form that the next steps use."""
        if self.compiling.is_on:
            torch._dynamo.reset()  # what earlier runs of this process compiled counts against a limit of forms
            self.engine.compile()
        graphed = self.device.type == "cuda" and self.options.cuda_graph and self.processes.size == 1
        return GraphedEngine(self.engine) if graphed else self.engine

    def _asks(self, regular: bool) -> bool:
        """Return True if the processes check for a stop now: one alone does so after every step, several every ten."""
        return regular or self.processes.size == 1 or self.step % 10 == 0

    def _values(self, metrics: dict[str, torch.Tensor]) -> dict[str, float]:
        """Return the metrics over all processes as numbers; raises ZooError if one is not finite."""
        stacked = self.processes.mean(torch.stack([value.float() for value in metrics.values()]))
        values = dict(zip(metrics, stacked.tolist(), strict=True))
        bad = [name for name, value in values.items() if not math.isfinite(value)]
        if bad:
            last = checkpoint.newest(self.folder.checkpoints)
            raise ZooError(
                f"{', '.join(bad)} is not finite after step {self.step}; the last good checkpoint is "
                f"{last or 'none'}. Lower the learning rates, or use --set training.precision=float32, in another run"
            )
        return values

    # -------------------------------------------------------------------------------------------------------- saving

    def save(self) -> None:
        """Save a checkpoint, a sheet of fixed latents, the loss plot and the exported generator."""
        if not self.processes.is_writer:
            return
        if not self.networks.are_finite():
            raise ZooError(f"a weight is not finite after step {self.step}; older checkpoints are intact")
        about = self.identity | self.compiling.record()
        checkpoint.save(self.folder.checkpoints, self.step, self.networks, about)
        best = self.folder.best()
        checkpoint.prune(self.folder.checkpoints, self.options.keep, best["step"] if best else None)
        self.export()

    def offer_best(self, metric: str, value: float) -> None:
        """Keep the present state if its score is the best so far (lower is better)."""
        best = self.folder.best()
        if best and best["value"] <= value and best["step"] != self.step:
            return
        self._is_best = True  # saved once the score is in the log
        if not self.processes.is_writer:
            return
        self.folder.keep_best(exporting.half(self.networks.sampler()), self._provenance(), metric, value)

    def export(self) -> None:
        """Write the sampling generator and the discriminator as float16 safetensors with their provenance."""
        exporting.export(self.folder, self.config, self.networks, self._provenance(), self.step)

    def _provenance(self) -> dict[str, str]:
        return {
            **self.identity,
            "step": str(self.step),
            "precision": self.config.training.precision,
            "torch": torch.__version__,
            "device": device_name(self.device),
        }

    def _export_if_missing(self) -> None:
        """Export if the run was killed between its last checkpoint and its export, or its files were damaged since."""
        if exporting.steps_of(self.folder) != {self.step}:
            self.export()


def _short(text: str | None) -> str:
    return text[:12] if text else "none"
