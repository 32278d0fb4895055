"""Make the reference statistics that ship with the package, and their manifest.

python benchmarks/ship_statistics.py cifar10.npz [FOLDER] [EXTRACTOR ...]

FOLDER is a cache of features, so that what was extracted already is not extracted again. Statistics of extractors that
are not named stay as they are.
"""

import json
import sys
from itertools import product
from pathlib import Path

from safetensors.numpy import save_file

from zoo.common import files
from zoo.evaluation.features import extractors, references, shipped
from zoo.evaluation.metrics import formulas

OUT = Path(__file__).resolve().parent.parent / "zoo" / "evaluation" / "features" / "statistics"
EXTRACTORS = ("efficientnet-lite0", "efficientnet-lite2")
SPLITS = (("cifar10", "train", 32), ("cifar10", "test", 32))


def main(root: str, cache_dir: str | None = None, *names: str) -> None:
    entries = [entry for entry in shipped.manifest() if names and entry["extractor"] not in names]
    for extractor, (dataset, split, resolution) in product(map(extractors.load, names or EXTRACTORS), SPLITS):
        data = references.ReferenceData(dataset, split, resolution, Path(root))
        found = references.get(  # with features, or what ships already would be taken
            data, references.Selection(), extractor, with_features=True, batch_size=64, cache_dir=cache_dir
        )
        file = f"{dataset}-{split}-{resolution}-{extractor.name}.safetensors"
        save_file(shipped.pack(found.statistics), OUT / file)
        about = {key: found.about[key] for key in ("dataset", "split", "resolution", "count", "classes")}
        entry = about | {"checksum": shipped.pixels_in_any_order(data.loaded.images), **extractor.identity}
        entries.append(entry | {"file": file, "file_sha256": files.sha256(OUT / file)})
        packed = shipped.unpack(shipped.pack(found.statistics), found.count)
        print(file, f"distance from the unrounded: {formulas.frechet_distance(packed, found.statistics):.2g}")
    about = "checksum: sha256 over the sorted sha256 of the images' bytes (3, H, W); file_sha256: of the file"
    (OUT / "manifest.json").write_text(json.dumps({"about": about, "statistics": entries}, indent=2) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
