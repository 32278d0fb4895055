"""Steps can be captured in CUDA graphs: no term looks at the values of tensors, and a replay draws anew."""

import pytest
import torch
from narrow import short, tiny
from torch._subclasses.fake_tensor import FakeTensorMode

import zoo
from training import losses, objectives
from training.data import Batches, Fake, Real
from training.engine import Engine
from training.graph import GraphedEngine
from training.networks import Networks
from training.noise import CountedNoise
from zoo import datasets, nets
from zoo.inference import fuse
from zoo.inference.process_state import float32_products
from zoo.schema import registry
from zoo.schema.config import ModelConfig

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need an NVIDIA GPU")
CONFIGS = sorted(map(registry.config, registry.names()), key=lambda config: -config.data.resolution)
NAMES = {c.training.objective: c.name for c in CONFIGS if c.training.accumulation == 1}  # the smallest of each kind


def turns(config: ModelConfig, device: str, n: int = 8):
    """Two functions, each of which computes the loss of one network and its gradients."""
    generator = nets.build_generator(config.generator, device)
    discriminator = nets.build_discriminator(config.discriminator, device)
    terms, noise, side = objectives.build(config), CountedNoise(0, device), config.data.resolution
    labels = torch.arange(n, device=device) % config.num_classes if config.conditional else None
    real, z = torch.randn(n, 3, side, side, device=device), torch.randn(n, config.generator.latent_dim, device=device)

    def shown(images: torch.Tensor) -> torch.Tensor:
        for term in terms:
            images = term.augment(images, noise)
        return images

    def turn(letter: str) -> torch.Tensor:
        noise.draws = 0
        images, fake = shown(real), shown(generator(z, labels))
        if letter == "discriminator":
            fake = fake.detach()
        real_out, fake_out = discriminator(images, labels), discriminator(fake, labels)
        about = {"discriminator": discriminator, "labels": labels, "noise": noise}
        made = objectives.GeneratedBatch(
            images=fake, out=fake_out, latents=z, generate=lambda z: generator(z, labels), **about
        )
        if letter == "discriminator":
            batch = objectives.Batch(images=images, out=real_out, **about)
            parts = [term.discriminator_loss(batch, made) for term in terms]
        else:
            parts = [term.generator_loss(made) for term in terms]
        value = losses.total(part for part in parts if part is not None)
        value.backward()
        return value.detach()

    return [lambda letter=letter: turn(letter) for letter in ("discriminator", "generator")]


@pytest.mark.parametrize("name", sorted(NAMES.values()))
def test_terms_do_not_look_at_values(name):
    """Tensors without values: .item(), a branch on a tensor or a shape that depends on one raise an error."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        for turn in turns(tiny(registry.config(name)), "cpu"):
            assert turn().shape == ()


@CUDA
@pytest.mark.parametrize("name", sorted(NAMES.values()))
def test_terms_can_be_captured(name):
    torch.manual_seed(0)
    for turn in turns(tiny(registry.config(name)), "cuda"):
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                turn()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            value = turn()
        graph.replay()
        assert value.isfinite()


@CUDA
def test_a_replay_draws_for_its_own_update():
    noise, other = CountedNoise(3, "cuda"), CountedNoise(3)

    def draw(noise: CountedNoise) -> tuple[torch.Tensor, ...]:
        noise.draws = 0
        return noise.uniform(4), noise.normal(4), noise.integers(0, 9, 4), noise.coins(4)

    draw(noise)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        drawn = draw(noise)
    for update in (0, 5, 6):
        noise.update.fill_(update)
        graph.replay()
        other.begin(update)
        for ours, theirs in zip(drawn, draw(other), strict=True):
            assert torch.allclose(ours.cpu().double(), theirs.double(), atol=1e-6)


def of_a_step(config: ModelConfig) -> tuple[list[Real], list[Fake]]:
    """Random batches for one generator step."""
    training, n, side = config.training, config.training.batch_size, config.data.resolution
    count = training.discriminator_steps * training.accumulation
    labels = torch.arange(n) % config.num_classes if config.conditional else None
    reals = [Real(torch.randn(n, 3, side, side), labels) for _ in range(count)]
    return reals, [
        Fake(torch.randn(n, config.generator.latent_dim), labels) for _ in range(count + training.accumulation)
    ]


FEW = {"training.regularizers": [{"type": "adaptive-augment"}, {"type": "freeze-d", "blocks": 1}]}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("infomax-gan/cifar10", {}),
        ("contragan-icr/cifar10", {}),
        ("wgan-gp/cifar10", {}),
        ("wgan/cifar10", {}),
        ("contragan/digits", FEW),
    ],
)
def test_a_whole_step_does_not_look_at_values(name, changes):
    """What a graph captures: both networks' updates, with their losses, regularisers and the fakes made together."""
    config = short(name, **changes)
    with FakeTensorMode(allow_non_fake_inputs=True):
        networks = [nets.build_generator(config.generator), nets.build_discriminator(config.discriminator)]
        optimizers = [torch.optim.Adam(network.parameters(), fused=True) for network in networks]
        engine = Engine(config, Networks(*networks, *optimizers, ema=None), together=True)
        metrics = engine.updates(*of_a_step(config))
    assert {"d/adversarial", "g/adversarial"} <= metrics.keys()


@CUDA
@pytest.mark.parametrize("name", ["infomax-gan/cifar10", "contragan/cifar10", "ssgan/cifar10", "wgan-gp/cifar10"])
def test_a_graphed_run_is_the_eager_run(name):
    """Six steps: three that warm up, the capture, and replays; learning rates and the average change between them."""
    config = short(name, 6, **{"training.batch_size": 8})
    side, classes = config.data.resolution, max(config.num_classes, 1)
    images = torch.randint(0, 256, (64, 3, side, side), dtype=torch.uint8)
    runs = []
    for graphed in (False, True):
        torch.manual_seed(0)
        networks = Networks.build(config, "cuda")
        engine = Engine(config, networks)
        batches = Batches(config, datasets.Dataset(images, torch.arange(64) % classes, classes), 0, "cuda")
        run = GraphedEngine(engine) if graphed else engine
        metrics = [{k: v.item() for k, v in run.step(*batches.of_step(step), step).items()} for step in range(6)]
        runs.append((metrics, networks))
    (eager, eager_networks), (graphed, graphed_networks) = runs
    for a, b in zip(eager, graphed, strict=True):
        assert a == pytest.approx(b, rel=1e-2, abs=1e-2)
    rate = config.training.optimizer.generator_lr
    for (key, a), b in zip(
        eager_networks.generator.named_parameters(), graphed_networks.generator.parameters(), strict=True
    ):
        assert (a - b).abs().max() < 12 * rate, key


@pytest.mark.parametrize("name", ["biggan/cifar10", "sngan/cifar10", "contragan-sndcgan/cifar10"])
def test_no_part_of_a_fused_generator_looks_at_values(name):
    spec = tiny(registry.config(name)).generator
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        fused = fuse.fuse(nets.build_generator(spec).eval()).to(memory_format=torch.channels_last)
        images = fused(torch.randn(4, spec.latent_dim), torch.zeros(4, dtype=torch.int64) if spec.num_classes else None)
    assert images.shape == (4, 3, spec.resolution, spec.resolution)


@pytest.mark.parametrize("user", ["as PyTorch is", "older switches off", "older switches on", "new switches"])
def test_float32_is_float32_inside_and_the_users_choice_outside(user):
    """Where convolutions may be TF32, which PyTorch allows, a fused network would differ from a plain one by 1e-3."""
    conv, matmul = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    if user.startswith("older"):
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = user.endswith("on")
    elif user == "new switches":
        conv.fp32_precision, matmul.fp32_precision = "tf32", "ieee"

    def choices() -> tuple:
        older = () if user == "new switches" else (torch.backends.cudnn.allow_tf32, matmul.allow_tf32)
        return conv.fp32_precision, matmul.fp32_precision, torch.get_float32_matmul_precision(), *older

    def fail():
        with float32_products(torch.device("cuda")):
            assert conv.fp32_precision == matmul.fp32_precision == "ieee"
            raise ValueError("of the network")

    chosen = choices()
    with pytest.raises(ValueError, match="of the network"):
        fail()
    assert choices() == chosen


@CUDA
@pytest.mark.parametrize("dtype", [None, "bfloat16"])
@pytest.mark.parametrize("name", ["contragan/digits", "infomax-gan/digits"])
def test_sampling_replays_a_graph(name, dtype):
    graphed, plain = zoo.load(name, device="cuda", dtype=dtype), zoo.load(name, device="cuda", fuse=False)
    z = graphed.latents(100, seed=0)
    y = torch.arange(100) % 10 if graphed.num_classes else None
    assert (graphed.generate(z, y) - plain.generate(z, y)).abs().max() < (1e-4 if dtype is None else 0.2)
    whole = graphed.sample(100, seed=1).uint8
    parts = [batch.uint8 for batch in graphed.stream(100, seed=1, batch_size=7)]
    assert torch.equal(torch.cat(parts), whole)  # no batch is overwritten by the next
