"""What does loading a converted 128x128 model from the cache cost, in time and memory?

python benchmarks/loading.py [repetitions]

Beside `zoo.load`: reading the same file with safetensors and building the module, with initial weights drawn as a
constructor does, and on the meta device without. Each line is the median of processes that take turns; memory is what
the process has more in the end, with every weight touched.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile

MODEL = "infomax-gan/celeba128"
PREPARE = f"""
import zoo
from zoo import nets
from zoo.checkpoints import cache
from zoo.schema import registry
config = registry.config({MODEL!r})
state = nets.build_generator(config.generator).state_dict()
cache.store(cache.weights_path(config, "mimicry"), state, {{}}, "0" * 64, "made for the benchmark")
"""
READ = """
config = registry.config({model!r})
tensors = load_file(cache.weights_path(config, "mimicry"))
network = nets.build_generator(config.generator, {device!r})
network.load_state_dict(tensors, assign=True)
"""
WAYS = {
    "load_file, module built": READ.format(model=MODEL, device="cpu"),
    "load_file, module on meta": READ.format(model=MODEL, device="meta"),
    "zoo.load": f"network = zoo.load({MODEL!r}, device='cpu').generator",
    "zoo.load and 8 images": f"""
model = zoo.load({MODEL!r}, device='cpu')
model.sample(8, seed=0)
network = model.generator
""",
}
MEASURE = """
import json, time, torch, zoo
from safetensors.torch import load_file
from zoo import nets
from zoo.checkpoints import cache, weights
from zoo.sampling import loading
from zoo.schema import registry

def kilobytes():
    with open("/proc/self/status") as file:
        return {{line.split()[0]: int(line.split()[1]) for line in file if line.startswith(("VmRSS", "RssAnon"))}}

registry.config("contragan/digits"), zoo.load("contragan/digits", device="cpu").sample(8, seed=0)
before = kilobytes()
start = time.perf_counter()
{code}
taken = time.perf_counter() - start
weights_size = sum(t.numel() * t.element_size() for t in network.state_dict().values())
touched = sum(t.sum().item() for t in network.state_dict().values())
after = kilobytes()
grown = [(after[kind] - before[kind]) * 1024 / weights_size for kind in ("VmRSS:", "RssAnon:")]
print(json.dumps([taken, *grown, weights_size]))
"""


def run(code: str, folder: str) -> str:
    environment = {**os.environ, "ZOO_CACHE": folder, "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        run(PREPARE, folder)
        results: dict[str, list[list[float]]] = {way: [] for way in WAYS}
        for _ in range(repetitions):
            for way, code in WAYS.items():
                results[way].append(json.loads(run(MEASURE.format(code=code), folder)))
    print(f"{MODEL}: {results['zoo.load'][0][-1] / 1e6:.0f} MB of weights, {repetitions} processes each")
    for way, measured in results.items():
        taken, resident, own, _ = (statistics.median(column) for column in zip(*measured, strict=True))
        memory = f"memory {resident:4.2f} x the weights ({own:4.2f} x not shared with the file)"
        print(f"{way:28s} {1000 * taken:8.1f} ms   {memory}")


if __name__ == "__main__":
    main()
