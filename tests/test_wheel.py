"""The wheel carries configs and weights, and works outside the checkout."""

import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CODE = """
import zoo
assert zoo.__file__.startswith({prefix!r}), zoo.__file__
zoo.load("contragan/digits").sample(10, label=range(10), seed=0).save("digits.png")
print(len(zoo.list_models()))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_the_wheel_works_in_another_environment(wheel, tmp_path):
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    packages = next((environment / "lib").glob("python*")) / "site-packages"
    # torch and the rest come from this environment; what .pth files add there (such as this checkout) does not.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--ignore-installed", str(wheel)], check=True, capture_output=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = CODE.format(prefix=str(environment))
    result = subprocess.run([python, "-I", "-c", code], cwd=elsewhere, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 100
    assert (elsewhere / "digits.png").stat().st_size > 1000
    version = subprocess.run([environment / "bin" / "zoo", "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("zoo ")
    train = [environment / "bin" / "zoo", "train", "contragan/digits", "--dry-run"]  # it comes by entry point
    dry = subprocess.run(train, cwd=elsewhere, capture_output=True, text=True, check=True)
    assert '"contragan/digits"' in dry.stdout
