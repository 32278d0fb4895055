"""In a step, maps are channels-last from where they begin to where they end, forward and back, and stay in bfloat16."""

import bisect
import re

import pytest
import torch
from narrow import short, tiny
from test_capture import NAMES, of_a_step
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from training.data import Real
from training.engine import Engine
from training.networks import Networks
from zoo import nets
from zoo.schema import registry

WHERE_LAYOUT_COUNTS = re.compile("conv|norm|pool|upsample")
ONE_UPDATE = {"training.discriminator_steps": 1, "training.batch_size": 5}  # no layer is as wide as a batch


class Watch(TorchDispatchMode):
    """Calls `see` with every operation, its tensors (those it takes, those it makes) and the module it is a part of."""

    def __init__(self, see, **networks):
        super().__init__()
        self.see, self.inside = see, []
        self.names = {m: f"{k}.{path}" for k, network in networks.items() for path, m in network.named_modules()}
        self.began = [(-1, "the step")]  # number of an autograd node, and the module that was running when it was made

    def __enter__(self):
        enter = torch.nn.modules.module.register_module_forward_pre_hook(lambda module, _: self._move(module))
        leave = torch.nn.modules.module.register_module_forward_hook(lambda *_: self._move(None), always_call=True)
        self.hooks = enter, leave
        return super().__enter__()

    def __exit__(self, *error):
        for hook in self.hooks:
            hook.remove()
        return super().__exit__(*error)

    def _move(self, into) -> None:
        self.inside.append(self.names.get(into, "?")) if into is not None else self.inside.pop()
        number = torch._C._autograd._get_sequence_nr()
        self.began.append((number, self.inside[-1] if self.inside else "the step"))

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        node = torch._C._current_autograd_node()
        if node is None:
            where = self.began[-1][1]
        else:  # of the latest module that began before the node was made
            where = self.began[bisect.bisect(self.began, node._sequence_nr(), key=lambda began: began[0]) - 1][1]
            where = f"backward of {where}"
        name = operation._schema.name.removeprefix("aten::")
        self.see(
            name, where, *([x for x in tree_leaves(t) if isinstance(x, torch.Tensor)] for t in ((args, kwargs), out))
        )
        return out


def engine_of(config, **options) -> Engine:
    torch.manual_seed(0)
    return Engine(config, Networks.build(config), **options)


def take_a_step(engine: Engine, see) -> None:
    reals, fakes = of_a_step(engine.config)
    reals = [Real(nets.layers.channels_last(images), labels) for images, labels in reals]  # as `Batches` makes them
    with Watch(see, G=engine.networks.generator, D=engine.networks.discriminator):
        engine.updates(reals, fakes)


def is_map(x: torch.Tensor) -> bool:
    return x.dim() == 4 and x.shape[1] > 1 and x.shape[2] * x.shape[3] > 1


@pytest.mark.parametrize("name", sorted(NAMES.values()))
def test_maps_keep_their_layout_and_precision(name):
    wrong, met = set(), set()

    def see(operation, where, taken, made):
        if WHERE_LAYOUT_COUNTS.search(operation):
            met.add(operation)
            for x in filter(is_map, (*taken, *made)):
                if not x.is_contiguous(memory_format=torch.channels_last):
                    wrong.add(f"{operation} in {where}: {tuple(x.shape)} with strides {x.stride()}")

    def see_both(operation, where, taken, made):
        see(operation, where, taken, made)
        if "the step" not in where:  # losses are float32
            wrong.update(f"{operation} in {where}: float32" for x in made if is_wide(x, rows=5))

    for precision, seeing in (("float32", see), ("bfloat16", see_both)):
        config = short(name, **ONE_UPDATE, **{"training.precision": precision})
        engine = engine_of(config, together=precision == "bfloat16")
        take_a_step(engine, seeing)
    if any(term.differentiates_twice for term in engine.terms):  # PyTorch's second derivatives work on transposed maps
        wrong = {text for text in wrong if "backward of" not in text}
    if any(x.type == "adaptive-augment" for x in config.training.regularizers):  # grid_sample's own gradient
        wrong = {text for text in wrong if "backward of G.output" not in text}
    assert {"convolution", "convolution_backward"} <= met
    assert not wrong, "\n".join(sorted(wrong))


def is_wide(x: torch.Tensor, rows: int) -> bool:
    """Whether these are float32 maps of `rows` images, or twice as many; images are, and what is spread over maps."""
    maps = is_map(x) and len(x) in (rows, 2 * rows) and 3 not in x.shape[1:]
    return maps and x.dtype == torch.float32 and 0 not in x.stride()


KINDS = {  # one of each architecture and upsampling, if possible with attention and classes
    (config.generator.architecture, getattr(config.generator, "upsample", "")): config
    for config in sorted(
        map(registry.config, registry.names()),
        key=lambda c: (bool(c.generator.attention_after), c.conditional, -c.data.resolution),
    )
}


@pytest.mark.parametrize("config", KINDS.values(), ids=lambda config: config.name)
def test_autocast_on_gpus_leaves_maps_in_bfloat16(config):
    """By its rules, for tensors without values: it resamples in float32 where nobody keeps it from that."""
    spec, wide, n = tiny(config).generator, set(), 5
    with FakeTensorMode(allow_non_fake_inputs=True):
        networks = [
            nets.build_generator(spec, "cuda"),
            nets.build_discriminator(tiny(config).discriminator, "cuda"),
        ]
        with torch.device("cuda"):
            z = torch.randn(n, spec.latent_dim)
            labels = torch.zeros(n, dtype=torch.int64) if config.conditional else None
        for network in networks:
            nets.fold_resampling(network)

        def see(operation, where, taken, made):
            wide.update(f"{operation} in {where}" for x in made if is_wide(x, n))

        torch.set_autocast_dtype("cuda", torch.bfloat16)
        torch.set_autocast_enabled("cuda", True)  # torch.autocast asks for a GPU
        try:
            with Watch(see, G=networks[0], D=networks[1]):
                out = networks[1](networks[0](z, labels), labels)
        finally:
            torch.set_autocast_enabled("cuda", False)
    assert not wide
    assert out.logits.dtype == torch.float32
    assert all(x.dtype == torch.float32 for x in networks[0].buffers() if x.is_floating_point())
