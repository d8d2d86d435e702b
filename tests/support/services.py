"""The services that backends ask, each as its tests need to know it: its stand-in, its surroundings, its prices."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.plugin import BackendSpec, Example, Question, Text
from harness.remote.hosting import HOSTING
from tests.support import (
    aws_server,
    azure_server,
    google_account,
    huggingface_server,
    openai_server,
    sagemaker_server,
    vertex_server,
)
from tests.support.served_aws import KEY, MODEL, environment

Rates = Mapping[tuple[str, str], float]
"""(item, sort of token) -> US dollars for a million, and of hosting seconds for an hour."""
RATES: Rates = {
    ("m", "input tokens"): 1.0,
    ("m", "output tokens"): 4.0,
    ("m", "training tokens"): 10.0,
    ("ft:m", "input tokens"): 2.0,
    ("ft:m", "output tokens"): 8.0,
    ("m-embed", "embedding tokens"): 0.5,
}
TUNED = {"input tokens": 2.0, "output tokens": 8.0, "training tokens": 10.0, HOSTING: 0.0}
"""What a purse of a cell that trains knows."""
CAP_USD = 5.0
CANARY = "canary-5b1f0e"
"""Part of whatever must not be kept or shown."""
HOUR_USD = 3.6
CLOCKS_S = 5.0
"""By so much we may tell more than a server counted: from order to answer, whole seconds, looks until it is gone."""


def price_list(folder: Path, rates: Rates = RATES) -> Path:
    """As TOML."""
    file = folder / "prices.toml"
    file.write_text(
        "".join(
            f'[[price]]\nprovider = "stand-in"\nregion = "any"\nitem = "{item}"\nusd = {usd}\n'
            f'unit = "{"hour" if sort == HOSTING else f"1M {sort}"}"\n'
            'valid_from = 2026-11-01\nsource = "made up"\n'
            for (item, sort), usd in rates.items()
        )
    )
    return file


def questions(count: int) -> list[Question]:
    words = ["owls", "larks", "bats", "bees", "foxes", "cats", "moles", "hares", "wrens", "toads", "newts", "voles"]
    choices = ("night", "morning", "dusk", "noon")
    return [
        Question(f"q{n}", (Text(f"when are {words[n % len(words)]} active, wording {n}?"),), choices)
        for n in range(count)
    ]


def material(count: int = 12) -> list[Example]:
    return [Example(question, n % 4, question.id) for n, question in enumerate(questions(count))]


@dataclass(frozen=True)
class Wrong:
    """A key that is not the service's."""

    variable: str
    value: str
    told: str
    """A pattern; nothing of the key is in it."""


Lets = Callable[[Any, Path, str], tuple[dict[str, str], list[str]]]
"""Of the stand-in's state, a folder and a URL: what the environment holds beside, and secrets without `CANARY`."""


@dataclass(frozen=True)
class Login:
    """A way of being let in."""

    mark: str
    """What stands where its secret stood."""
    lets: Lets = lambda state, folder, url: ({}, [])


@dataclass(frozen=True)
class Service:
    """A service's plugin and its stand-in."""

    name: str
    plugin: str
    sdk: str
    """As it names itself."""
    state: Callable[..., Any]
    serving: Callable[[Any], AbstractContextManager[tuple[str, Any]]]
    environment: Callable[[str], dict[str, str]]
    """Of a URL."""
    answering: str
    """How the path ends by which questions are asked."""
    quota: str
    """What is told when it is used up."""
    logins: tuple[Login, ...]
    wrong: Wrong | None
    label: Callable[[dict[str, Any]], str] = lambda job: ""
    """Of a job as the service has it."""
    ordering: str = ""
    """How the path ends by which a training is ordered; empty: it trains nothing."""
    untrained: str = ""
    """Why, then."""
    fates: Mapping[str, str] | None = None
    """Bad ends of a training -> what is told."""
    model: str = "m"
    vectors: tuple[tuple[str, int], ...] = (("m-embed", 2),)
    """Models that embed, and in how many requests 70 texts."""
    counted: bool = True
    """Whether it tells what vectors were charged."""
    rates: Rates = field(default_factory=lambda: RATES)
    lesser: tuple[tuple[dict[str, Any], bool], ...] = ()
    """What a server may be that understands less, and whether it tells probabilities."""
    probable: bool = True
    """Whether one that understands all does."""
    answered_by: str | None = "m-snapshot"
    numbered: bool = True
    """Whether its answers tell the ids of requests."""
    hosting_s: Callable[[Any], float] = lambda state: 0.0
    """Charged by the stand-in's clock, at `HOUR_USD`."""
    unset: tuple[str, ...] = ()
    """Variables that would change whom it is asked as."""
    loud: Mapping[str, str] | None = None
    """What makes its SDK log all that it does."""
    lived: Callable[..., Any] | None = None
    """The state for lifecycles, in which whatever was trained or rented is `ft:m`; None: it keeps nothing."""
    lived_model: str = "m"
    deployed: Callable[[Any], set[str]] = lambda state: set()
    """Labels of what is deployed."""
    reads: str = "jobs"
    """The part that reads with an SDK that may ask again."""
    quick: Mapping[str, Any] | None = None
    """`part.NAME` -> what it is where the service answers at once."""

    def part(self, name: str) -> Any:
        return import_module(f"{self.plugin}.{name}")

    @property
    def trains(self) -> bool:
        return bool(self.ordering)

    @property
    def spec(self) -> BackendSpec:
        found = import_module(self.plugin.partition(".")[0]).harness_backends()
        return next(each for each in found if each.name == self.name)

    @property
    def embeds(self) -> str:
        return self.vectors[0][0]

    def purse_rates(self, model: str, *, trains: bool = False) -> dict[str, float]:
        """Of one cell, for a million."""
        own = {sort: usd for (item, sort), usd in self.rates.items() if item == model.rpartition("/")[2]}
        return {**TUNED, HOSTING: self.hour_usd * 1e6 / 3600} if trains else own

    def owes(self, state: Any) -> float:
        """US dollars, by the stand-in's own accounts."""
        return float(state.usd(self.rates)) + self.hosting_s(state) / 3600 * self.hour_usd

    @property
    def hour_usd(self) -> float:
        """Of what is hosted."""
        return next((usd for (_, sort), usd in self.rates.items() if sort == HOSTING), 0.0)


def _less(*known: set[str], probable: str = "logprobs") -> tuple[tuple[dict[str, Any], bool], ...]:
    return tuple(({"supports": frozenset(each)}, probable in each) for each in known)


_CHAT = _less(set(), {"schema"}, {"logprobs"}, {"schema", "logprobs"}, {"temperature", "max_completion_tokens"})
_FATES = {"failed": "bad rows", "failed-empty": "tells no reason", "no-model": "names no model"}
_AWS_SECRET = f"secret-{CANARY}"

OPENAI = Service(
    name="openai",
    plugin="harness_openai",
    sdk="openai",
    state=functools.partial(openai_server.State, key=f"sk-{CANARY}"),
    serving=openai_server.serving,
    environment=lambda url: {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": f"sk-{CANARY}"},
    answering="completions",
    quota="quota or balance is used up",
    logins=(Login("[OPENAI_API_KEY]"),),
    wrong=Wrong("OPENAI_API_KEY", "sk-other-canary", r"401 invalid_api_key: .*\[OPENAI_API_KEY\]"),
    label=lambda job: str(job["metadata"]["harness"]),
    ordering="/fine_tuning/jobs",
    fates=_FATES,
    lesser=_CHAT,
    loud={"OPENAI_LOG": "debug"},
    lived=openai_server.State,
)
AZURE = Service(
    name="azure",
    plugin="harness_azure",
    sdk="openai",
    state=functools.partial(azure_server.AzureState, key=f"az-{CANARY}"),
    serving=azure_server.serving,
    environment=azure_server.environment,
    answering="completions",
    quota="quota or balance is used up",
    logins=(
        Login("[TOKEN]"),
        Login("[AZURE_OPENAI_API_KEY]", lambda state, folder, url: ({"AZURE_OPENAI_API_KEY": f"az-{CANARY}"}, [])),
    ),
    wrong=Wrong("AZURE_OPENAI_API_KEY", "az-other-canary", r"401 .*\[AZURE_OPENAI_API_KEY\]"),
    label=lambda job: str(job["metadata"]["harness"]),
    ordering="/fine_tuning/jobs",
    fates=_FATES,
    rates={**RATES, ("ft:m", HOSTING): HOUR_USD},
    lesser=_CHAT,
    hosting_s=lambda state: float(state.hosting_s()),
    deployed=lambda state: set(state.deployments),
    unset=("AZURE_OPENAI_API_KEY",),
    loud={"OPENAI_LOG": "debug", "AZURE_LOG_LEVEL": "debug"},
)
VERTEX = Service(
    name="vertex",
    plugin="harness_vertex",
    sdk="google-genai",
    state=vertex_server.State,
    serving=vertex_server.serving,
    environment=lambda url: {
        "VERTEX_BASE_URL": url,
        "GOOGLE_CLOUD_PROJECT": "project-1",
        "GOOGLE_CLOUD_LOCATION": "europe-west4",
        "VERTEX_BUCKET": "bucket-1",
    },
    answering=":generateContent",
    quota="the project's quota is used up",
    logins=(Login("[access token]", lambda *given: google_account.made(*given, f"ya29.{CANARY}")),),
    wrong=None,
    label=lambda job: str(job["labels"]["harness"]),
    ordering="/tuningJobs",
    fates={**_FATES, "expired": "expired: bad rows"},
    vectors=(("m-embed", 5), ("gemini-embedding-x", 70)),
    rates={**RATES, ("gemini-embedding-x", "embedding tokens"): 1.0},
    lesser=_less(set(), {"schema"}, {"logprobs"}, {"schema", "thinking"}, {"temperature"}),
    answered_by="m-001",
    unset=("GOOGLE_APPLICATION_CREDENTIALS",),
    lived=vertex_server.State,
)
AWS = Service(
    name="aws",
    plugin="harness_aws",
    sdk="boto3",
    state=functools.partial(aws_server.AwsState, key=KEY),
    serving=aws_server.serving,
    environment=functools.partial(environment, secret=_AWS_SECRET),
    answering="converse",
    quota="quota is used up",
    logins=(Login("[AWS_SESSION_TOKEN]"),),
    wrong=Wrong("AWS_ACCESS_KEY_ID", "AKIAOTHER", r"403 UnrecognizedClientException: .*\[AWS_SESSION_TOKEN\]"),
    label=lambda job: str(job["jobName"]),
    ordering="/model-customization-jobs",
    fates=_FATES,
    model=MODEL,
    vectors=(("amazon.titan-embed-text-v2:0", 70), ("us.cohere.embed-v4:0", 2)),
    rates={
        (MODEL, "input tokens"): 1.0,
        (MODEL, "output tokens"): 4.0,
        (MODEL, "training tokens"): 10.0,
        (f"custom:{MODEL}", "input tokens"): 2.0,
        (f"custom:{MODEL}", "output tokens"): 8.0,
        (f"custom:{MODEL}", HOSTING): 0.0,
        ("amazon.titan-embed-text-v2:0", "embedding tokens"): 0.5,
        ("us.cohere.embed-v4:0", "embedding tokens"): 0.5,
    },
    lesser=_less(set(), {"tool"}, {"temperature"}),
    probable=False,
    answered_by=None,
    lived=functools.partial(aws_server.AwsState, trained="ft"),
    deployed=lambda state: {each["modelDeploymentName"] for each in state.deployments.values()},
)
SAGEMAKER = Service(
    name="sagemaker",
    plugin="harness_aws.sagemaker",
    sdk="boto3",
    state=functools.partial(sagemaker_server.SageMakerState, key=KEY, polls=2),
    serving=sagemaker_server.serving,
    environment=functools.partial(environment, secret=_AWS_SECRET),
    answering="invocations",
    quota="quota is used up",
    logins=(Login("[AWS_SESSION_TOKEN]"),),
    wrong=Wrong("AWS_ACCESS_KEY_ID", "AKIAOTHER", r"403 UnrecognizedClientException: .*\[AWS_SESSION_TOKEN\]"),
    untrained="an endpoint answers and trains nothing",
    model="chatty",
    vectors=(("m-embed", 3),),
    counted=False,
    rates={
        ("chatty", "input tokens"): 1.0,
        ("chatty", "output tokens"): 4.0,
        ("m-embed", "embedding tokens"): 0.5,
        ("ml.g5.xlarge", HOSTING): 1.2,
    },
    lesser=tuple(
        ({"speaks": form, **changes}, probable)
        for form in ("messages", "inputs")
        for changes, probable in (
            *_less(set(), {"logprobs", "temperature", "details"}, {"schema", "details", "do_sample", "logprobs"}),
            *_less({"schema", "temperature", "do_sample"}),
        )
    ),
    answered_by="/opt/ml/model",
    lived=functools.partial(sagemaker_server.SageMakerState, rented_as="ft:m"),
    lived_model="model/llama@ml.g5.xlarge",
    deployed=lambda state: set(state.endpoints),
    reads="endpoints",
    quick={"endpoints.READS": 0},
)
HUGGINGFACE = Service(
    name="huggingface",
    plugin="harness_huggingface",
    sdk="huggingface_hub",
    state=functools.partial(huggingface_server.State, key=f"hf_{CANARY}"),
    serving=huggingface_server.serving,
    environment=lambda url: {"HF_INFERENCE_ENDPOINT": url, "HF_TOKEN": f"hf_{CANARY}"},
    answering="completions",
    quota="quota or balance is used up",
    logins=(Login("[HF_TOKEN]"),),
    wrong=Wrong("HF_TOKEN", "hf_other_canary", r"401 .*\[HF_TOKEN\]"),
    untrained="train no models",
    vectors=(("m-embed", 3),),
    counted=False,
    numbered=False,
    lesser=_less(set(), {"schema"}, {"logprobs"}, {"schema", "logprobs"}),
)
SERVICES = (OPENAI, AZURE, VERTEX, AWS, SAGEMAKER, HUGGINGFACE)
