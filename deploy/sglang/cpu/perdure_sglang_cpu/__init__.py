"""A platform of SGLang's own kind: the CPU, by PyTorch alone."""


def activate() -> str:
    """Where SGLang finds the platform; it asks every package that names itself at `sglang.srt.platforms`."""
    return "perdure_sglang_cpu.platform:TorchOnCPU"
