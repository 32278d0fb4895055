"""StyleGAN's data sets: `dataset.json` has the labels, and the folders of 1,000 pictures each are no classes."""

import json

import pytest
from test_archives import load, picture_of, seeds, tar

from zoo import datasets
from zoo.common.errors import DataCorruptedError

NAMES = ["00000/img00000000.png", "00000/img00000001.png", "00001/img00001000.png"]
LABELS = [2, 0, 2]

pytestmark = pytest.mark.usefixtures("data_root")


def table(labels) -> bytes:
    return json.dumps({"labels": labels}).encode()


def files(text: bytes, names=NAMES) -> dict[str, bytes]:
    return {name: picture_of(i) for i, name in enumerate(names)} | {"dataset.json": text}


def folder(path, found: dict[str, bytes]):
    for name, data in found.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


@pytest.mark.parametrize("around", ["", "stylegan/"])
@pytest.mark.parametrize("names", [NAMES, NAMES[:2]])  # of up to 1,000 pictures, one folder is around all
def test_labels_are_those_of_the_table(tmp_path, around, names):
    found = files(table([[name, label] for name, label in zip(names, LABELS, strict=False)]), names)
    for place in (folder(tmp_path / "a", found), tar(tmp_path / "a.tar", {around + n: d for n, d in found.items()})):
        data = load(place)
        assert dict(zip(seeds(data), data.labels.tolist(), strict=True)) == dict(enumerate(LABELS[: len(names)]))
        assert (data.num_classes, data.class_names) == (3, ())
        assert "dataset.json" not in datasets.describe(data), "it is used, not left out"


def test_without_labels_there_are_no_classes(tmp_path):
    data = load(folder(tmp_path / "a", files(table(None))))
    assert (data.num_classes, data.class_names, len(data)) == (1, (), 3)


def test_another_table_is_another_data_set(tmp_path):
    place = folder(tmp_path / "a", files(table([[name, 0] for name in NAMES])))
    first = load(place)
    (place / "dataset.json").write_bytes(table([[name, 1] for name in NAMES]))
    assert load(place).checksum != first.checksum
    assert load(place).labels.tolist() == [1, 1, 1]


def test_another_dataset_json_is_none_of_stylegan(tmp_path):
    data = load(folder(tmp_path / "a", files(b'{"name": "mine"}')))
    assert data.class_names == ("00000", "00001")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"labels": [', "no JSON"),
        (table([[NAMES[0], 1]]), f"has no label of {NAMES[1]}"),
        (table([[NAMES[0], -1]]), "a whole number from 0"),
        (table([[NAMES[0], 1.5]]), "a whole number from 0"),
        (table([[NAMES[0], True]]), "a whole number from 0"),
        (table([[NAMES[0], [0, 1]]]), "a whole number from 0"),
        (table([NAMES[0]]), "a whole number from 0"),
    ],
)
def test_a_wrong_table_is_one_line(tmp_path, text, words):
    for place in (folder(tmp_path / "a", files(text)), tar(tmp_path / "a.tar", files(text))):
        with pytest.raises(DataCorruptedError, match=words) as error:
            load(place)
        assert "\n" not in str(error.value)
