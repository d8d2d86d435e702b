"""Where tensors live, and where bf16 pays."""

from __future__ import annotations

from pathlib import Path

from harness_keras.framework import tf

BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
"""What Linux calls it on x86 and on Arm."""
AMPERE = 8
"""The first compute capability of NVIDIA that multiplies bf16."""


def gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def trains_in_bf16() -> bool:
    """Whether the hardware multiplies bf16 matrices, so that it is faster and not merely possible."""
    if gpu():
        details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
        return bool(details.get("compute_capability", (0, 0))[0] >= AMPERE)
    return bool(BF16_FLAGS & cpu_flags(Path("/proc/cpuinfo")))


def cpu_flags(listing: Path) -> set[str]:
    """Of the first core; none where the system does not tell."""
    try:
        lines = listing.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return set()
    named = (line.partition(":") for line in lines)
    return next((set(flags.split()) for name, _, flags in named if name.strip() in ("flags", "Features")), set())


def peak_bytes() -> int | None:
    if not gpu():
        return None
    peak = int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
    tf.config.experimental.reset_memory_stats("GPU:0")
    return peak
