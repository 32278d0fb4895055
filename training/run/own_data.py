"""The config of a run: the recipe, the data that are there, and a record of both."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import datasets
from zoo.common.errors import ZooError
from zoo.common.text import HIDDEN
from zoo.datasets.find import find
from zoo.schema import identity, registry
from zoo.schema.config import ModelConfig
from zoo.schema.origin import Beginning, Origin, SeenData
from zoo.schema.own_preparation import OwnPreparation

from . import resuming

if TYPE_CHECKING:
    from .run_folder import RunFolder
    from .run_options import Options

_LONGEST = 4000  # characters of a command that is recorded


def of_run(config: ModelConfig, options: Options, folder: RunFolder) -> tuple[ModelConfig, Options]:
    """Return the config and the options of a run: the folder's own config where it is resumed.

    Raises:
        ZooError: the folder holds a run that may not be resumed so, or any where one begins; the classes do not fit.
        DataUnavailableError: there are no such data.
    """
    if not options.resume:
        folder.check_new()
        return on_data(config, options.data, options.data_name, options.classes), options
    kept = folder.config()
    place = options.data or resuming.recorded_data(folder)
    if place is None and kept.origin and identity.is_custom(kept.data.dataset):
        place = datasets.place_of(kept)
    if config.origin is None:
        config = on_data(config, place, options.data_name or kept.data.dataset, options.classes)
    folder.check_same(resuming.with_steps(config, kept.training.steps))
    return _of_length(kept, config.training.steps, folder.path), replace(options, data=place)


def _of_length(kept: ModelConfig, steps: int, out: Path) -> ModelConfig:
    """Return the config of a run that is resumed for so many steps, which its record says where they are others."""
    config, origin = resuming.with_steps(kept, steps), kept.origin
    if origin is None or steps == kept.training.steps:
        return config
    recipe = _registered(origin.recipe)
    changed = identity.deviations(recipe, config) if recipe else {}
    again = shlex.join(["zoo", "train", str(out), "--resume", "--steps", str(steps)])
    record = {
        "deviations": identity.in_words(changed)[:100] if recipe else origin.deviations,
        "command": _kept_command(f"{origin.command} && {again}") if origin.command else None,
    }
    return config.model_copy(update={"origin": origin.model_copy(update=record)})


def anew(config: ModelConfig) -> ModelConfig:
    """Return the config of a run without its data, for another run on other data."""
    recipe = _registered(_recipe_of(config))
    dataset = recipe.data.dataset if recipe else identity.CUSTOM
    preparation = config.data.preparation if isinstance(config.data.preparation, OwnPreparation) else None
    return config.updated(
        {
            "data.dataset": dataset,
            "data.class_names": None,
            "data.preparation": preparation and preparation.model_dump(),
        }
    )


def on_data(config: ModelConfig, root: Path | None, name: str | None = None, first: int | None = None) -> ModelConfig:
    """Return the config with the name, the classes and the preparation of the data; nothing of other weights is kept.

    Args:
        root: as in `datasets.load`.
        name: of own data; one of the catalogue says that these are the publisher's, in another form.
        first: use only this number of first classes.

    Raises:
        ZooError: the model has classes and the data have none, or the classes do not fit.
    """
    recipe = _registered(_recipe_of(config))
    license_chosen = recipe is None or config.license != recipe.license
    config = identity.without_claims(config).model_copy(update={"license": config.license} if license_chosen else {})
    data = config.data
    wants_classes = config.conditional or data.class_names is not None
    if root is None and identity.is_custom(data.dataset):
        return config  # which says by itself that a path is missing
    if root is None:
        names, count, changes = datasets.class_names(data.dataset), None, {}
    else:
        source = find(data.dataset, data.split, root, wants_classes)
        changes = _named(data, source, root, name)
        names, count = source.class_names, source.num_classes if wants_classes else None
        if first is not None:
            names, count = names[:first], first
    renamed = root is None and len(names) == config.num_classes and not {*names} & {*(data.class_names or ())}
    if data.class_names is not None and not renamed:
        datasets.check_selection(names, count or config.num_classes, data.class_names, str(root or data.dataset))
        names, count = data.class_names, len(data.class_names)
        changes["data.class_names"] = names
    if config.conditional and count is not None and (count == config.num_classes or _follows(config, recipe)):
        datasets.refuse_one_class(config.name, count, root)
        changes |= _classes(config, count, names)
    return config.updated(changes) if changes else config


def _follows(config: ModelConfig, recipe: ModelConfig | None) -> bool:
    """Return True unless the user has set another number of classes than the recipe's."""
    chosen = config.data.class_names is not None
    return chosen or recipe is None or config.num_classes == recipe.num_classes or config.origin is not None


def _named(data: Any, source: Any, root: Path, name: str | None) -> dict[str, Any]:
    """Return what the config says of own data; nothing is changed for the publisher's."""
    if name in datasets.CATALOGUE:
        public = datasets.class_names(name)
        if source.class_names and public and source.class_names != public:
            raise ZooError(
                f"{root} has the classes {', '.join(source.class_names[:3])}, ..., which are not those of {name}; give "
                f"it another name (--data-name)"
            )
        return {"data.dataset": name}
    if not source.is_own and name is None:
        return {}
    if name is None:
        given = identity.is_custom(data.dataset) and data.dataset != identity.CUSTOM
        dataset = data.dataset if given else f"{identity.CUSTOM}:{identity.name_of_path(Path(root))}"
    else:
        dataset = name if identity.is_custom(name) else f"{identity.CUSTOM}:{name}"
    entry = datasets.CATALOGUE.get(data.dataset)
    usual = entry is not None and data.split == entry.default_split and Path(root).suffix.lower() != ".npz"
    how = data.preparation if isinstance(data.preparation, OwnPreparation) else OwnPreparation()
    return {
        "data.dataset": dataset,
        "data.split": "train" if usual else data.split,
        "data.preparation": how.model_dump(),
    }


def _classes(config: ModelConfig, count: int, names: tuple[str, ...]) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if count != config.num_classes:
        changes["generator.num_classes"] = count
        if config.discriminator.num_classes:
            changes["discriminator.num_classes"] = count
    public = datasets.class_names(config.data.dataset)
    changes["data.class_names"] = list(names) if names and names != public else None
    return changes


# ---------------------------------------------------------------------------------------------------- the record


def recorded(config: ModelConfig, dataset: datasets.Dataset, options: Options) -> ModelConfig:
    """Return the config with the name of the run's folder, and a record of its recipe, its data and its command."""
    recipe_name = _recipe_of(config)
    recipe = _registered(recipe_name)
    of_class = dataset.labels.bincount(minlength=dataset.num_classes).tolist() if config.conditional else ()
    seen = SeenData(
        images=len(dataset),
        of_class=tuple(of_class),
        checksum=dataset.checksum or "none",
        place=_place(options.data),
    )
    changed = identity.deviations(recipe, config) if recipe else {}
    command = options.command or _command(recipe_name, changed, options)
    origin = Origin(
        recipe=recipe_name,
        deviations=identity.in_words(changed)[:100],
        command=_kept_command(command),
        data=seen,
    )
    return identity.named(config.model_copy(update={"origin": origin}), str(options.out.resolve()))


def begun_with(config: ModelConfig, beginning: Beginning) -> ModelConfig:
    """Return the config of a run with a record of the networks that it begins with."""
    assert config.origin is not None
    return config.model_copy(update={"origin": config.origin.model_copy(update={"beginning": beginning})})


def moved(config: ModelConfig, data: Path | None) -> ModelConfig:
    """Return the config of a resumed run with the place where its data are now."""
    seen = config.origin.data if config.origin else None
    if data is None or seen is None or config.origin is None:
        return config
    seen = seen.model_copy(update={"place": _place(data)})
    return config.model_copy(update={"origin": config.origin.model_copy(update={"data": seen})})


def _place(data: Path | None) -> str | None:
    """Return the absolute path; None if there is none, or it cannot be written into a config."""
    place = str(Path(data).resolve()) if data is not None else ""
    return None if not place or HIDDEN.search(place) or len(place) > _LONGEST else place


def _kept_command(command: str) -> str | None:
    """Return the command; None if it cannot be written into a config."""
    return None if HIDDEN.search(command) or len(command) > _LONGEST else command


def _command(recipe: str, changed: dict[str, tuple[Any, Any]], options: Options) -> str:
    """Return a command that repeats a run that a program has started."""
    words = ["zoo", "train", recipe, "--out", str(options.out)]
    words += ["--data", str(options.data)] if options.data is not None else []
    words += ["--data-name", options.data_name] if options.data_name else []
    for field, (ours, _) in changed.items():
        words += ["--set", f"{field}={json.dumps(ours)}"]
    words += ["--seed", str(options.seed)] if options.seed else []
    return shlex.join(words)


def _recipe_of(config: ModelConfig) -> str:
    return config.origin.recipe if config.origin else config.name


def _registered(name: str) -> ModelConfig | None:
    return registry.config(name) if name in registry.names() else None
