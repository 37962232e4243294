#!/usr/bin/env python3
"""The network engine beside PyTorch (and ONNX Runtime where it is installed): CPU time, wall time, peak memory, parity.

Needs Python packages only: torch, numpy, safetensors (onnxruntime and onnx if they are there), and the release binary.

    cargo build --release
    python benches/network.py                        # the committed weights, 240x200x240, AVX2, 1 thread
    python benches/network.py --isa avx512 --threads 2 --rounds 5
    python benches/network.py --device cuda:0        # a machine with an NVIDIA GPU: fp16 beside PyTorch fp16

Every round runs each peer once in a fresh process (A B A B ...), so that a busy machine hits all alike; each process
does one forward to warm up and one that counts. Medians are printed with their range. CPU time is the process's own
(user and system, all threads). Peak memory is VmHWM after minus VmRSS before the first forward, weights loaded in both.
PyTorch and oneDNN are held to the same instruction set by ATEN_CPU_CAPABILITY and ONEDNN_MAX_CPU_ISA.

On a GPU PyTorch runs in fp16, channels_last_3d, with cudnn.benchmark; both are timed between two waits with the input
already there, copies apart, median of 20 after 3 to warm up. Memory is what each asked the GPU for, context apart. The
truth is PyTorch in fp32 without TF32. The binary needs nothing of CUDA but the driver.

Parity is taken against PyTorch in its default layout, and with --f64 in f64 (6 GiB, half a minute): in the faster
channels_last_3d PyTorch's group norm sums a channel in f32 and is itself off by percents at this size.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
GRID = (240, 200, 240)


def shell(grid):
    """A hollow head with a hole: the parity fixtures' input at any size."""
    import numpy as np

    i, j, k = np.meshgrid(*(2 * np.arange(n, dtype=np.int64) - (n - 1) for n in grid), indexing="ij")
    d, h, w = grid

    def inside(a, b, c):
        return (i / a) ** 2 + (j / b) ** 2 + (k / c) ** 2 <= 1

    bone = inside(d - 4, h - 4, w - 4) & ~inside(d - 12, h - 12, w - 12) & (k > -(w // 2))
    hole = (i - d // 4) ** 2 + (j - h // 2) ** 2 + (k - w // 2) ** 2 <= (d // 3) ** 2
    return (bone & ~hole).astype(np.float32)


def status(key):
    for line in open("/proc/self/status"):
        if line.startswith(key + ":"):
            return int(line.split()[1]) / 1024
    return float("nan")


def measured(forward):
    """One warm-up, one that counts."""
    before = status("VmRSS")
    forward()
    wall, cpu = time.perf_counter(), time.process_time()
    answer = forward()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return answer, {"cpu_s": cpu, "wall_s": wall, "peak_mib": status("VmHWM") - before}


def peer_torch(args):
    import numpy as np
    import torch
    from safetensors.torch import load_file

    sys.path.insert(0, str(ROOT / "tests" / "fixtures"))
    import networks

    torch.set_num_threads(args.threads)
    net = networks.build("v3").float().eval()
    net.load_state_dict({k: v.float() for k, v in load_file(args.weights).items()})
    x = torch.from_numpy(np.fromfile(args.input, np.float32).reshape(1, 1, *GRID))
    if args.truth == "f64":
        net, x = net.double(), x.double()
    elif args.truth is None:
        net = net.to(memory_format=torch.channels_last_3d)
        x = x.to(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        if args.truth:
            net(x).numpy().astype(np.float32).tofile(args.output)
            return {}
        answer, figures = measured(lambda: net(x))
        answer.contiguous().numpy().tofile(args.output)
    figures["what"] = f"PyTorch {torch.__version__} {torch.backends.cpu.get_cpu_capability()}"
    return figures


def peer_torch_gpu(args):
    import numpy as np
    import torch
    from safetensors.torch import load_file

    sys.path.insert(0, str(ROOT / "tests" / "fixtures"))
    import networks

    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = args.truth is None
    net = networks.build("v3").float().eval()
    net.load_state_dict({k: v.float() for k, v in load_file(args.weights).items()})
    x = torch.from_numpy(np.fromfile(args.input, np.float32).reshape(1, 1, *GRID))
    net, x = net.to(args.device), x.to(args.device)
    with torch.inference_mode():
        if args.truth:
            net(x).cpu().numpy().tofile(args.output)
            return {}
        net = net.half().to(memory_format=torch.channels_last_3d)
        x = x.half().to(memory_format=torch.channels_last_3d)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        seconds = []
        for _ in range(23):
            torch.cuda.synchronize()
            start = time.perf_counter()
            answer = net(x)
            torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
        answer.float().cpu().contiguous().numpy().tofile(args.output)
    return {
        "what": f"PyTorch {torch.__version__} fp16 on {torch.cuda.get_device_name()}",
        "kernels_s": statistics.median(seconds[3:]),
        "gpu_mib": torch.cuda.max_memory_allocated() / 2**20,
    }


def on_gpu(args, folder, x):
    """Ours and PyTorch on one GPU."""
    outputs = {name: str(folder / f"{name}.f32") for name in ("calvaria", "torch", "truth")}
    me = [sys.executable, __file__, "--weights", args.weights, "--input", x, "--device", args.device, "--peer", "torch"]
    ours = [args.binary, "forward", args.weights, x, "--grid", *map(str, GRID), "--output", outputs["calvaria"]]
    peers = {
        "calvaria": [*ours, "--device", args.device, "--repeat", "20"],
        "torch": [*me, "--output", outputs["torch"]],
    }
    rounds = {name: [] for name in peers}
    for _ in range(args.rounds):
        for name, command in peers.items():
            rounds[name].append(run(command, {}))
    for name, all_ in rounds.items():
        values = [1e3 * r["kernels_s"] for r in all_]
        line = f"{statistics.median(values):.2f} ms ({min(values):.2f}-{max(values):.2f})"
        print(f"{all_[0]['what']}: {line}, {all_[0]['gpu_mib']:.0f} MiB")
    run([*me, "--truth", "f32", "--output", outputs["truth"]], {})
    for name in peers:
        worst, dice, voxels = compare(outputs[name], outputs["truth"], 0.5)
        print(f"{name} against PyTorch fp32: probability differs by {worst:.2e} at most, Dice {dice:.6f} ({voxels} voxels)")


def peer_onnx(args):
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = ort.InferenceSession(args.onnx, options, providers=["CPUExecutionProvider"])
    x = np.fromfile(args.input, np.float32).reshape(1, 1, *GRID)
    _, figures = measured(lambda: session.run(None, {"x": x}))
    figures["what"] = f"ONNX Runtime {ort.__version__} (its own choice of instructions)"
    return figures


def export_onnx(weights, path):
    """The network as ONNX; False where the packages are missing."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError:
        return False
    import torch
    from safetensors.torch import load_file

    sys.path.insert(0, str(ROOT / "tests" / "fixtures"))
    import networks

    net = networks.build("v3").float().eval()
    net.load_state_dict({k: v.float() for k, v in load_file(weights).items()})
    torch.onnx.export(net, (torch.zeros(1, 1, *GRID),), path, input_names=["x"], dynamo=False)
    return True


def run(command, environment):
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(a, b, threshold):
    import numpy as np

    a, b = (np.fromfile(p, np.float32) for p in (a, b))
    p, q = a >= threshold, b >= threshold
    total = int(p.sum() + q.sum())
    dice = 2 * int((p & q).sum()) / total if total else 1.0
    return float(np.abs(a - b).max()), dice, int(p.sum())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=str(ROOT / "target" / "release" / "calvaria"))
    parser.add_argument("--weights", default=str(ROOT / "models" / "v3.safetensors"))
    parser.add_argument("--input", help="raw f32 [240, 200, 240]; a hollow head with a hole if left out")
    parser.add_argument("--isa", default="avx2", choices=["avx2", "avx512"])
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["calvaria"], help="leave the peers out (for 1 against 2 threads)")
    parser.add_argument("--f64", action="store_true", help="compare the answer with PyTorch in f64 too")
    parser.add_argument("--truth", choices=["f32", "f64"], help=argparse.SUPPRESS)
    parser.add_argument("--peer", choices=["torch", "onnx"], help=argparse.SUPPRESS)
    parser.add_argument("--output", help=argparse.SUPPRESS)
    parser.add_argument("--onnx", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        torch = peer_torch if args.device == "cpu" else peer_torch_gpu
        print(json.dumps((torch if args.peer == "torch" else peer_onnx)(args)))
        return

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        x = args.input
        if not x:
            x = str(folder / "x.f32")
            shell(GRID).tofile(x)
        if args.device != "cpu":
            on_gpu(args, folder, x)
            return
        threads = str(args.threads)
        environment = {
            "ATEN_CPU_CAPABILITY": args.isa,
            "ONEDNN_MAX_CPU_ISA": {"avx2": "AVX2", "avx512": "AVX512_CORE"}[args.isa],
            "OMP_NUM_THREADS": threads,
            "RAYON_NUM_THREADS": threads,
            "CALVARIA_ISA": args.isa,
        }
        outputs = {name: str(folder / f"{name}.f32") for name in ("calvaria", "torch")}
        me = [sys.executable, __file__, "--weights", args.weights, "--input", x, "--threads", threads]
        peers = {
            "calvaria": [args.binary, "forward", args.weights, x, "--grid", *map(str, GRID), "--output", outputs["calvaria"]]
        }
        if args.only is None:
            peers["torch"] = [*me, "--peer", "torch", "--output", outputs["torch"]]
            graph = str(folder / "v3.onnx")
            if export_onnx(args.weights, graph):
                peers["onnx"] = [*me, "--peer", "onnx", "--onnx", graph]
            else:
                print("onnxruntime or onnx is not installed: left out")
        rounds = {name: [] for name in peers}
        for _ in range(args.rounds):
            for name, command in peers.items():
                rounds[name].append(run(command, environment))
        for name, all_ in rounds.items():
            line = [f"{all_[0]['what']}:"]
            for key, unit in (("cpu_s", "s CPU"), ("wall_s", "s wall"), ("peak_mib", "MiB")):
                values = [r[key] for r in all_]
                line.append(f"{statistics.median(values):.3f} {unit} ({min(values):.3f}-{max(values):.3f})")
            print(" ".join(line))
        ours = statistics.median(r["cpu_s"] for r in rounds["calvaria"])
        for name in list(rounds)[1:]:
            print(f"{name} / calvaria, CPU time: {statistics.median(r['cpu_s'] for r in rounds[name]) / ours:.2f}")
        if "torch" in rounds:
            for truth in ["f32", "f64"] if args.f64 else ["f32"]:
                path = str(folder / f"{truth}.f32")
                run([*me, "--peer", "torch", "--truth", truth, "--output", path], environment)
                for name, answer in outputs.items():
                    worst, dice, voxels = compare(answer, path, 0.5)
                    print(
                        f"{name} against PyTorch {truth}, default layout: probability differs by {worst:.2e} at most, "
                        f"Dice of masks {dice:.6f} ({voxels} voxels)"
                    )


if __name__ == "__main__":
    main()
