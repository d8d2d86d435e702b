"""Where machines are hired, each as its tests need to know it: its stand-in, its surroundings, its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import hub_server, sagemaker_jobs
from tests.support.moved import RATES
from tests.support.served_aws import KEY, environment

CANARY = "canary9d41c07e"
"""Part of whatever must not be kept or shown."""
USD_PER_HOUR = 0.36


@dataclass(frozen=True)
class Place:
    name: str
    flavor: str
    state: Callable[..., Any]
    serving: Callable[[Any], AbstractContextManager[tuple[str, Any]]]
    environment: Callable[[str], dict[str, str]]
    """Of a URL."""
    jobs: Callable[[Any], Mapping[str, Any]]
    """All that the stand-in was ordered, by its id."""
    label: Callable[[Any], str]
    """Of a job as the stand-in has it."""
    bad: tuple[str, str]
    """A fate of a job, and what is told of it."""
    overdue: str
    """What is told of a job that the service ends for its time."""
    begun: str
    """What is told of one that gets no machine."""
    cancelled: str

    @property
    def machines(self) -> str:
        return f"harness_{self.name}.machines:machines"

    @property
    def rates(self) -> dict[tuple[str, str], float]:
        return {(self.flavor, "machine seconds"): RATES["machine seconds"]}

    def price_list(self, folder: Path) -> Path:
        """As TOML."""
        file = folder / "prices.toml"
        file.write_text(
            f'[[price]]\nprovider = "{self.name}"\nregion = "any"\nitem = "{self.flavor}"\nunit = "hour"\n'
            f'usd = {USD_PER_HOUR}\nvalid_from = 2026-11-01\nsource = "made up"\n'
        )
        return file


HUGGINGFACE = Place(
    name="huggingface",
    flavor="cpu-basic",
    state=lambda **more: hub_server.HubState(key=f"hf_{CANARY}", **more),
    serving=hub_server.serving,
    environment=lambda url: {
        "HF_ENDPOINT": url,
        "HF_TOKEN": f"hf_{CANARY}",
        "HF_HARNESS_REPO": hub_server.REPO,
        "HF_HARNESS_INSTALL": "true",
    },
    jobs=lambda state: state.jobs,
    label=lambda job: str(job["labels"]["harness"]),
    bad=("crashed", "ERROR: exited with 3"),
    overdue="Job timeout",
    begun="SCHEDULING",
    cancelled="CANCELED",
)
AWS = Place(
    name="aws",
    flavor="ml.m5.large",
    state=lambda **more: sagemaker_jobs.SageMakerState(key=KEY, **more),
    serving=sagemaker_jobs.serving,
    environment=lambda url: {
        **environment(url, f"secret-{CANARY}"),
        "AWS_HARNESS_IMAGE": "123456789012.dkr.ecr.us-east-1.amazonaws.com/cells:1",
        "AWS_HARNESS_INSTALL": "true",
    },
    jobs=lambda state: state.hired,
    label=lambda job: str(job["TrainingJobName"]),
    bad=("failed", "CapacityError: no capacity"),
    overdue="MaxRuntimeExceeded",
    begun="InProgress",
    cancelled="Stopped",
)
PLACES = (HUGGINGFACE, AWS)
