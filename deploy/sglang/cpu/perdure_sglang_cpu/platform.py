"""What SGLang needs to be told about a machine without a GPU; it is imported by SGLang only."""

# This runs in SGLang's own environment, whose packages are not here.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUntypedBaseClass=false

from sglang.srt.platforms.cpu import CpuDeviceMixin
from sglang.srt.platforms.device_mixin import PlatformEnum
from sglang.srt.platforms.interface import SRTPlatform


class TorchOnCPU(CpuDeviceMixin, SRTPlatform):
    """The CPU, with PyTorch's own attention: SGLang's CPU kernels are in no wheel, so nothing here may ask for them."""

    _enum = PlatformEnum.OOT  # SGLang's word for a platform that is not in its own tree

    def get_default_attention_backend(self) -> str:
        """The one backend that needs neither a kernel of SGLang's nor Triton."""
        return "torch_native"
