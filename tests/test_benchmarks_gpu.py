"""The page that a GPU is measured with: its rehearsal on a CPU, and the parts that need no GPU."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # at the end: there is a training.py

from gpu_page import children, kernels, loops, page, resume, suite  # noqa: E402

NAME = "contragan-snresgan/cifar10"
KERNELS = {  # as the profiler of an H100 named them, cut where its table was
    "sm90_xmma_fprop_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize128x128x64_warpgroup": "convolution",
    "sm90_xmma_wgrad_indexed_implicit_gemm_bf16bf16_bf16f32_f32_nhwckrsc_nhwc_tilesize64x64x64": "convolution",
    "void cutlass__5x_cudnn::Kernel<cutlass_tensorop_bf16_s16816dgrad_optimized_bf16_256x64_32x4": "convolution",
    "_ZN17cutlass__5x_cudnn6KernelINS_4conv6kernel23ImplicitGemmConvolutionINS1_11threadblock22": "convolution",
    "void cask_plugin__5x_cudnn::xmma__5x_cudnn::init_device_workspace_kernel<xmma__5x_cudnn::implicit_gemm::wgr": (
        "convolution"
    ),
    "void implicit_convolve_sgemm<__nv_bfloat16, __nv_bfloat16, 128, 5, 5, 3, 3, 3, 1, false, true>": "convolution",
    "void at::native::batch_norm_backward_reduce_channels_last_kernel<4, c10::BFloat16, float, float>": "batch norm",
    "void cudnn::batchnorm_fwtr_nhwc_semiPersist<float, float, float, 512, 16, 2, 4, 1, 1, false>": "batch norm",
    "triton_poi_fused__native_batch_norm_legit_functional__to_copy__unsafe_index_add_arange_clone": "batch norm",
    "triton_red_fused__native_batch_norm_legit_functional_native_batch_norm_backward_threshold": "batch norm",
    "void at::native::(anonymous namespace)::upsample_bilinear2d_out_frame<c10::BFloat16, float>(int": "resampling",
    "void at::native::(anonymous namespace)::avg_pool2d_backward_out_cuda_frame_nhwc<c10::BFloat16": "resampling",
    "triton_poi_fused__to_copy__unsafe_index_add_clone_convolution_unsqueeze_30": "resampling",
    "void at::native::vectorized_elementwise_kernel<8, at::native::CUDAFunctor_add<c10::BFloat16>, std": "pointwise",
    "void at::native::elementwise_kernel<128, 2, at::native::gpu_kernel_impl_nocast<at::native::BinaryF": "pointwise",
    "triton_poi_fused_threshold_backward_25": "pointwise",
    "triton_poi_fused__to_copy_convolution_relu_2": "pointwise",
    "void at::native::elementwise_kernel<128, 2, at::native::gpu_kernel_impl_nocast<at::native::direct_copy_kern": (
        "casts, copies"
    ),
    "void at::native::vectorized_elementwise_kernel<8, at::native::bfloat16_copy_kernel_cuda(at::Tens": "casts, copies",
    "void at::native::(anonymous namespace)::CatArrayBatchedCopy_alignedK_contig<at::native::(anonym": "casts, copies",
    "void nhwcAddPaddingKernel<__nv_bfloat16, __nv_bfloat16, float, true, (cudnnKernelDataType_t)0>": "casts, copies",
    "void cudnn::engines_precompiled::nchwToNhwcKernel<__nv_bfloat16, __nv_bfloat16, float, false": "casts, copies",
    "Memcpy DtoD (Device -> Device)": "casts, copies",
    "memset32": "casts, copies",
    "triton_poi_fused__unsafe_view_clone_stack_8": "casts, copies",
    "void at::native::reduce_kernel<128, 4, at::native::ReduceOp<c10::BFloat16, at::native::func_wrapper": "reduction",
    "triton_red_fused_convolution_backward_26": "reduction",
    "void at::native::(anonymous namespace)::multi_tensor_apply_kernel<at::native::(anonymous namespace)::FusedO": (
        "optimiser"
    ),
    "std::enable_if<!(false), void>::type internal::gemvx::kernel<int, int, float, float, float, float": "matmul",
    "nvjet_sm90_tst_128x256_64x4_2x1_v_bz_coopA_TNN": "matmul",
    "void cublasLt::splitKreduce_kernel<32, 16, int, float, float, float, float, false, float, float": "matmul",
    "void cutlass::Kernel2<cutlass_80_wmma_tensorop_bf16_s161616gemm_bf16_32x32_128x2_tn_align2>": "matmul",
    "void an_unheard_of_kernel<float>": "other",
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_told_apart_by_name(name):
    assert kernels.kind_of(name) == KERNELS[name]


def test_kinds_add_up_to_the_step():
    found = [kernels.Kernel("memset32", 300, 6), kernels.Kernel("nvjet_a", 500, 2), kernels.Kernel("nvjet_b", 1200, 3)]
    matmul, copies, whole = kernels.by_kind(found, steps=2)
    assert (matmul.kind, matmul.milliseconds, matmul.launches, matmul.largest) == ("matmul", 0.85, 2.5, "nvjet_b")
    assert (copies.kind, copies.milliseconds, copies.share) == ("casts, copies", 0.15, 0.15)
    assert (whole.kind, whole.milliseconds, whole.share, whole.launches) == ("all", 1.0, 1.0, 5.5)


# ------------------------------------------------------------------------------------------------------------ the page


class Seen(page.Figure):
    COLUMNS = ("seen",)

    def row(self):
        return ("a | b",)


Seen = page.dataclass(Seen)


def parts_of(*runs, minutes=1.0):
    sections = [page.Section(f"s{i}", f"Section {i}", 1, run) for i, run in enumerate(runs)]
    return list(page.parts(sections, page.Setting(torch.device("cpu")), minutes))


def test_a_section_that_fails_is_a_line_and_the_others_go_on():
    def fails(setting, clock):
        yield Seen()
        raise RuntimeError("out of\nmemory")

    def works(setting, clock):
        yield Seen()

    failed, worked = parts_of(fails, works)
    (failure,) = failed.failures
    assert failure.error.startswith("RuntimeError: out of memory (test_benchmarks_gpu.py, line ")
    assert "| a \\| b |" in failed.markdown()  # what was measured before stays
    assert f"- **Failed**: Section 0: {failure.error}" in failed.markdown().splitlines()
    assert not worked.failures
    assert worked.json()["figures"] == [{"figure": "Seen"}]


def test_what_does_not_fit_into_the_time_is_listed():
    def slow(setting, clock):
        time.sleep(0.05)
        return ()

    def long(setting, clock):
        if left_out := clock.lacks("a long one", 3600):
            yield left_out

    _, shut, _ = parts_of(slow, long, slow, minutes=0.06 / 60)
    assert [left.what for left in shut.not_run] == ["Section 1"]
    (told,) = parts_of(long)
    assert told.json()["not run"][0]["what"] == "a long one"
    assert "- Not run: a long one: 56 s of the section's time were left" in told.markdown()


def test_the_time_that_one_section_leaves_is_the_next_ones():
    ends = []

    def looks(setting, clock):
        ends.append(clock.left)
        return ()

    parts_of(looks, looks, minutes=1)
    assert ends == pytest.approx([28, 56], abs=1)


# -------------------------------------------------------------------------------------------------------- the sections


@pytest.mark.skipif(loops.no_compiled_step() is not None, reason="this version has no compiled step")
def test_the_compiled_loop_is_that_of_the_engine(monkeypatch):
    asked = []

    def compile(function, **options):
        asked.append(options["backend"])
        return function

    monkeypatch.setattr(torch, "compile", compile)
    setting = page.Setting(torch.device("cpu"), rehearse=True)
    loop = loops.Loop(loops.COMPILED, loops.recipe_of(NAME).config(setting), setting)
    assert asked
    assert set(asked) == {"aot_eager"}
    assert all(value.isfinite() for value in loop.metrics.values())


def test_states_are_compared_to_the_bit():
    a = {"w": torch.tensor([1.0, 2.0]), "step": torch.tensor(3)}
    b = {"w": torch.tensor([1.0, 2.5]), "step": torch.tensor(3)}
    same, other = resume.compared("x", 9, "y", a, a), resume.compared("x", 9, "y", a, b)
    assert (same.tensors, same.equal, same.apart) == (2, 2, 0)
    assert (other.tensors, other.equal, other.apart) == (2, 1, 0.5)
    with pytest.raises(ValueError, match="other tensors, such as step"):
        resume.compared("x", 9, "y", a, {"w": a["w"]})


def test_results_of_tests_are_read_with_their_names(tmp_path):
    report = tmp_path / "tests.xml"
    report.write_text(
        '<testsuites><testsuite><testcase name="a"/><testcase name="b[x]">'
        '<failure message="1&#10; &lt; 0">...</failure></testcase>'
        '<testcase name="c"><skipped/></testcase><testcase name="d"><error/></testcase></testsuite></testsuites>'
    )
    tests = suite.read(report, ["tests/test_x.py"])
    assert (tests.passed, tests.failed, tests.skipped) == (1, {"b[x]": "1 < 0", "d": "no message"}, 1)
    assert "tests/training/test_capture.py" in suite.files_with_gpu_tests(Path(__file__).parent)


def test_processes_say_what_went_wrong():
    assert children.Child("children", "environment").result(60) == ""
    with pytest.raises(children.ChildFailedError, match=r"^children.nothing: AttributeError: .* 'nothing'"):
        children.Child("children", "nothing").result(60)
    with pytest.raises(children.TimeUpError, match=r"^children.environment was not done after 0 s$"):
        children.Child("children", "environment").result(0)


def run(*arguments) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path[1:])), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(BENCHMARKS / "gpu.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def test_the_page_can_be_rehearsed_without_a_gpu(tmp_path):
    out = tmp_path / "gpu.json"
    some = ("--only", "card,steps,kernels,sampling", "--recipes", NAME, "--loops", "plain,engine")
    done = run("--device", "cpu", "--rehearse", *some, "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())
    assert done.stdout.startswith("# GPU page: rehearsal on a CPU; no figure means anything\n")
    assert found["about"]["rehearsal"] is True
    assert found["sections"].keys() == {"card", "steps", "kernels", "sampling"}
    assert not any(section["failures"] for section in found["sections"].values())
    steps = found["sections"]["steps"]["figures"]
    assert [(step["recipe"], step["loop"]) for step in steps] == [(NAME, "plain"), (NAME, "engine")]
    assert all(step["milliseconds"] > 0 and step["tflop"] > 0 for step in steps)
    kinds = {figure["kind"] for figure in found["sections"]["kernels"]["figures"]}
    assert {"convolution", "batch norm", "all"} <= kinds
    (left,) = found["sections"]["kernels"]["not run"]
    assert left["what"] == "kernels of infomax-gan/cifar10"
    assert len(found["sections"]["sampling"]["figures"]) == 3 * 5


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_there_is_one_line():
    done = run("--minutes", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "gpu.py: no CUDA device; run it where there is one, or with --device cpu --rehearse\n"
