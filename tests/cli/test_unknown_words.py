"""A name, a tag or a choice that nothing has is one line with the nearest, and status 2, before any work."""

import pytest
from test_help_panels import COMMANDS

MODELS = {"name", "names", "source", "pattern", "patterns"}  # arguments of commands that take the name of a model
NO_MODELS = ("zoo list", "zoo data preview", "zoo sweep", "zoo papers", "zoo reproduce")  # or searches for them
TAKING_MODELS = [
    name
    for name, command in COMMANDS.items()
    if MODELS & {parameter.name for parameter in command.params} and not name.startswith(NO_MODELS)
]
BESIDE = {  # what these commands need beside the model
    "zoo mirror": ["mirror"],
    "zoo train": ["--out", "run"],
    "zoo publish": ["--to", "me/model", "--dry-run"],
    "zoo import": ["--from", "file.pth"],
}
LITE0 = ("--extractor", "efficientnet-lite0")
NETWORK = {"zoo registry check"}  # refuses to begin without one


@pytest.mark.parametrize("name", TAKING_MODELS)
def test_a_tag_that_the_model_has_not_is_refused(name, command, monkeypatch):
    if name in NETWORK:
        monkeypatch.delenv("HF_HUB_OFFLINE")
    result = command(*name.split()[1:], *BESIDE.get(name, ()), "contragan/digits@nope")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        'zoo: contragan/digits has no weights tagged "nope"; it has zoo, and weights="random" builds it untrained\n'
    )


def test_training_takes_no_tag(command):
    result = command("train", "contragan/digits@zoo", "--out", "run")
    assert result.returncode == 2
    assert result.stderr == (
        "zoo: contragan/digits@zoo names weights, and training starts from none: write contragan/digits, or zoo train "
        "contragan/digits --from contragan/digits@zoo to begin with these\n"
    )


def test_a_tag_of_a_model_without_weights_is_refused(command):
    result = command("info", "acgan/cifar100@nope")
    assert result.returncode == 2
    assert 'acgan/cifar100 has no weights tagged "nope": ' in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["evaluate", "contragan/digits", "--extractor", "eficientnet-lite0"], "efficientnet-lite0"),
        (["evaluate", "contragan/digits", "--data", "cifr10", *LITE0], "cifar10"),
        (["evaluate", "cifr10:test", *LITE0], "cifar10"),
        (["evaluate", "contragan/digits", "--labels", "dta", *LITE0], "data"),
        (["verify", "contragan/digits", "--extractor", "inceptoin"], "inception"),
        (["verify", "contragan/digits", "infomax-gan/digits", "--extractor", "inceptoin"], "inception"),
        (["verify", "--all", "--extractor", "inceptoin"], "inception"),
        (["verify", "contragan/digits", "infomax-gan/digts"], "infomax-gan/digits"),
        (["verify", "contragan/digits", "--protocol", "publishd"], "published"),
        (["verify", "contragan/digits", "--data", "cifr10"], "cifar10"),
        (["panel", "contragan/digits", "--data", "cifr10"], "cifar10"),
        (["compare", "contragan/digits", "--tools", "clean-fd"], "clean-fid"),
        (["compare", "contragan/digits", "--data", "cifr10"], "cifar10"),
        (["align", "contragan/digits", "--classifier", "shiped"], "shipped"),
        (["align", "contragan/digits", "--data", "cifr10"], "cifar10"),
        (["reference", "make", "digts", "-o", "a.npz", *LITE0], "digits"),
        (["reference", "make", "digits", "-o", "a.npz", "--extractor", "dinov2-vit-l14"], "dinov2-vit-l-14"),
        (["reference", "make", "digits", "-o", "a.npz", "--layout", "emd2"], "edm2"),
        (["reference", "make", "digits", "-o", "a.npz", "--protocol", "clen"], "clean"),
        (["data", "prepare", "cifr10"], "cifar10"),
        (["papers", "infomex-gan"], "infomax-gan"),
        (["papers", "infomax-gan", "tabel1"], "table1"),
        (["reproduce", "infomax-gan", "table1", "--cell", "cifar10/sgan"], "cifar10/ssgan"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_misspelt_choice_suggests_the_nearest(arguments, meant, command, tmp_path):
    result = command(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"did you mean {meant}" in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "contragan/digits", "--split", "tets", *LITE0],
        ["evaluate", "digits:tets", *LITE0],
        ["compare", "contragan/digits", "--split", "tets"],
        ["reference", "make", "digits:tets", "-o", "a.safetensors", *LITE0],
        ["data", "prepare", "digits", "--split", "tets"],
    ],
    ids=" ".join,
)
def test_a_split_that_the_data_have_not_is_refused_with_those_they_have(arguments, command):
    result = command(*arguments)
    assert (result.returncode, result.stderr) == (2, "zoo: digits has no tets split; give train\n")


def test_words_without_a_near_one_list_the_choice(command):
    result = command("evaluate", "contragan/digits", "--extractor", "zzz")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert 'no extractor is called "zzz"; there are clip-' in result.stderr
    assert "efficientnet-lite0, efficientnet-lite2, inception" in result.stderr
