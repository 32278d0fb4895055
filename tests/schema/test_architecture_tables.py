"""The architecture tables of both papers, row by row, against the configs as the papers have them."""

import re
from itertools import pairwise

import pytest
from published_facts import CONTRAGAN, INFOMAX, NAMES

from training.studies import paper
from zoo import nets
from zoo.schema import registry

TABLES = {  # ContraGAN, appendix B: of which models
    "table_A1": ["acgan-sndcgan/cifar10", "projgan-sndcgan/cifar10", "contragan-sndcgan/cifar10"],
    "table_A3": ["acgan-snresgan/cifar10", "sngan-pd/cifar10", "contragan-snresgan/cifar10"],
    "table_A5": ["acgan-biggan/cifar10", "biggan/cifar10", "contragan/cifar10"],
    "table_A7": ["acgan-biggan/tiny-imagenet", "biggan-b256/tiny-imagenet", "contragan/tiny-imagenet"],
}
DISCRIMINATORS = {"table_A2": "table_A1", "table_A4": "table_A3", "table_A6": "table_A5", "table_A8": "table_A7"}
SLIPS = {  # in the tables themselves; papers/contragan.json lists them
    ("table_A7", "TANH", (32, 32, 3)): (64, 64, 3),
    ("table_A8", "FC(128, 1)", (1,)): "FC(1280, 1)",
}
CASES = [(table, name) for table, names in TABLES.items() for name in names]
CASES += [(table, name) for table, of in DISCRIMINATORS.items() for name in TABLES[of]]


def printed(table):
    """The rows of a table as (operation, output shape without the batch), with its slips mended."""
    rows = []
    for row in CONTRAGAN["architectures"][table]["rows"]:
        operation, shape = row["operation"], tuple(row["output"][1:])
        mended = SLIPS.get((table, operation, shape))
        if isinstance(mended, str):
            operation = mended
        elif mended:
            shape = mended
        rows.append((re.sub(r"[\s-]", "", operation).replace("_", ""), shape))
    return rows


def generator_rows(config):
    g, c = config.generator, config.generator.channels
    side, chunk = g.bottom_width, g.latent_dim // len(c) if g.architecture == "biggan" else g.latent_dim
    norm = "CBN" if g.num_classes else "BN"
    activation = {"leaky_relu": "LRELU", "relu": "RELU"}[g.activation]
    first = c[0] * side * side
    rows = [(f"FC({chunk},{first})", (first,)), ("RESHAPE", (side, side, c[0]))]
    for block, (before, after) in enumerate(pairwise(c), start=1):
        side *= 2
        made = {
            "dcgan": lambda a, b: f"DECONV({a},{b},{g.kernel_size},2),{norm},{activation}",
            "resnet": lambda a, b: f"GENBLOCK({a},{b},True)",
            "biggan": lambda a, b: f"BIGGBLOCK({a},{b},True,{chunk},{g.embedding_dim})",
        }[g.architecture]
        rows.append((made(before, after), (side, side, after)))
        if block in g.attention_after:
            rows.append(("SELFATTENTION", (side, side, after)))
    last = f"CONV({c[-1]},{g.image_channels},3,1)"
    head = last if g.architecture == "dcgan" else f"BN,{activation},{last}"
    shape = (side, side, g.image_channels)
    return [*rows, (head, shape), (g.output.upper(), shape)]


def discriminator_rows(config):
    d, c, side = config.discriminator, config.discriminator.channels, config.discriminator.resolution
    rows, before = [], d.image_channels
    activation = {"leaky_relu": "LRELU", "relu": "RELU"}[d.activation]
    if d.architecture == "dcgan":  # pairs of a 3x3 and a 4x4 convolution, the last block one 3x3
        for block, after in enumerate(c):
            rows.append((f"CONV({before},{after},3,1),{activation}", (side, side, after)))
            if block < len(c) - 1:
                side //= 2
                rows.append((f"CONV({after},{after},4,2),{activation}", (side, side, after)))
            before = after
    else:
        for block, after in enumerate(c, start=1):
            down = block <= d.downsample_blocks
            side //= 2 if down else 1
            rows.append((f"DISBLOCK({before},{after},{down})", (side, side, after)))
            if block in d.attention_after:
                rows.append(("SELFATTENTION", (side, side, after)))
            before = after
    assert getattr(d, "pooling", "sum") == "sum"
    return [*rows, ("GSP", (c[-1],)), (f"FC({c[-1]},1)", (1,))]


def without_last_activation(rows):
    """The tables write the last ReLU beside the last block, or beside the pooling."""
    return [(re.sub(r"^RELU,(?=GSP)|(?<=\)),RELU$", "", operation), shape) for operation, shape in rows]


@pytest.mark.parametrize(("table", "name"), CASES)
def test_tables_a1_to_a8(table, name):
    config = registry.config(name).as_paper()
    found = discriminator_rows(config) if table in DISCRIMINATORS else generator_rows(config)
    expected = printed(table)
    if table in DISCRIMINATORS:
        expected = without_last_activation(expected)
    assert found == expected


def test_the_tables_slips_are_listed():
    listed = " ".join(f"{slip.where}: {slip.text}" for slip in paper.load("contragan").slips)
    assert "Table A8: The output layer is FC(128, 1)" in listed
    assert "Table A7: The output layer is (m, 32, 32, 3)" in listed
    for table, operation, shape in SLIPS:
        rows = CONTRAGAN["architectures"][table]["rows"]
        assert any((row["operation"], tuple(row["output"][1:])) == (operation, shape) for row in rows), "no slip"


INFOMAX_CELLS = [
    (f"table_{n}", key, name)
    for n in (7, 8, 9)
    for key, name in NAMES["infomax_gan_paper"].items()
    if any(f"/{dataset}" in key for dataset in INFOMAX[f"table_{n}"]["datasets"])
]


def test_there_are_twenty_models_in_tables_7_to_9():
    assert len({name for _, _, name in INFOMAX_CELLS}) == 20


@pytest.mark.parametrize(("table", "cell", "name"), INFOMAX_CELLS)
def test_tables_7_to_9(table, cell, name):
    facts, config = INFOMAX[table], registry.config(name).as_paper()
    g, d = config.generator, config.discriminator
    layers = facts["generator"]["layers"]
    assert facts["generator"]["input"]["z_dim"] == g.latent_dim
    assert layers[0] == {"op": "linear", "out_hwc": [g.bottom_width, g.bottom_width, g.channels[0]]}
    assert [x["channels"] for x in layers if x["op"] == "resblock_up"] == list(g.channels[1:])
    assert [x["op"] for x in layers[-4:]] == ["batch_norm", g.activation, "conv3x3", g.output]
    assert (layers[-2]["channels"], g.upsample, g.num_classes) == (g.image_channels, "nearest", 0)

    rotates = "SSGAN" in cell
    table_d = facts["self_supervised_discriminator" if rotates else "discriminator"]
    assert table_d["input"] == [d.resolution, d.resolution, d.image_channels]
    blocks = [x for x in table_d["layers"] if x["op"].startswith("resblock")]
    assert [x["channels"] for x in blocks] == list(d.channels)
    assert [x["op"] == "resblock_down" for x in blocks] == [k < d.downsample_blocks for k in range(len(d.channels))]
    assert [x["op"] for x in table_d["layers"][-3:]] == [d.activation, f"global_{d.pooling}_pooling", "linear"]
    assert len(table_d["heads"]) == 1 + d.rotation_head == 1 + rotates
    if d.infomax:
        assert d.infomax.local_after == table_d["local_features_taken_after"]["layer_index"] + 1
        assert d.infomax.global_after is None, "global features are the pooled ones"


@pytest.mark.parametrize("name", ["infomax-gan/cifar10", "infomax-gan/stl10", "infomax-gan/celeba128"])
def test_table_10(name):
    """One hidden layer as wide as its input, the output of width R, and a linear shortcut from the input."""
    config = registry.config(name).as_paper()
    d, r = config.discriminator, INFOMAX["method"]["R"]["value"]
    critics = nets.build_discriminator(d, "meta").heads.critics
    for critic, k, tail in (
        (critics.local_critic, d.channels[d.infomax.local_after - 1], (1, 1)),
        (critics.global_critic, d.channels[-1], ()),
    ):
        shapes = {part: tuple(getattr(critic, part).weight.shape) for part in ("hidden", "output", "shortcut")}
        assert shapes == {"hidden": (k, k, *tail), "output": (r, k, *tail), "shortcut": (r, k, *tail)}


@pytest.mark.parametrize("row", CONTRAGAN["table_3"]["rows"], ids=lambda row: row["id"])
def test_parameters_of_table_3(row):
    """48.1 million of the vanilla network, 49.0 with the 2C loss; CR and APS add none."""
    config = registry.config(NAMES["contragan_paper"][f"Table 3/{row['id']}"]).as_paper()
    networks = nets.build_generator(config.generator, "meta"), nets.build_discriminator(config.discriminator, "meta")
    count = sum(parameter.numel() for network in networks for parameter in network.parameters())
    assert round(count / 1e6, 1) == row["params_millions"]
