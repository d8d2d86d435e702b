"""The schema of a `task.toml`: its tables and keys, and what their values may be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from harness.criteria import checked
from harness.errors import UsageError
from harness.kinds import KINDS, shown

PRIMARY = ("accuracy", "macro_f1")

TEXT, OTHER = "(text)", "(other)"
"""The branches of a union, by names that are no keys."""

Name = Annotated[str, Field(min_length=1)]


def _branch(value: Any) -> str:
    """Which branch of a union is tried, so that a wrong value is one fault and not one per branch."""
    return TEXT if isinstance(value, str) else OTHER


def _kind(value: str) -> str:
    if value not in KINDS:
        raise ValueError(f"kind {shown(value)} is none of {', '.join(KINDS)}")
    return value


def _primary(value: str) -> str:
    if value not in PRIMARY:
        raise ValueError(f"primary {shown(value)} is none of {', '.join(PRIMARY)}")
    return value


def _criteria(value: dict[str, Any]) -> dict[str, Any]:
    try:
        return checked(value, "criteria")
    except UsageError as error:
        raise ValueError(str(error)) from None


def _dataset(value: str) -> str:
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", value, re.ASCII):
        raise ValueError(f"data.hf {shown(value)} must be a dataset's name on the Hugging Face hub, such as 'org/name'")
    return value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ExtraTest(_Section):
    file: Name
    disjoint_by: Name | None = None


Names = Annotated[
    Annotated[Name, Tag(TEXT)] | Annotated[list[Name], Field(min_length=1), Tag(OTHER)],
    Discriminator(_branch),
]
ExtraTests = dict[str, Annotated[Annotated[Name, Tag(TEXT)] | Annotated[ExtraTest, Tag(OTHER)], Discriminator(_branch)]]


class DataSection(_Section):
    """Where the sets are: files, or the splits of the dataset `hf`."""

    hf: Annotated[Name, AfterValidator(_dataset)] | None = None
    config: Name | None = None
    revision: Name | None = None
    test: Name
    train: Name | None = None
    validation: Name | None = None
    documents: Name | None = None
    twins: Name | None = None
    extra_tests: ExtraTests = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _test_of_a_dataset(cls, raw: Any) -> Any:
        return {"test": "test", **raw} if isinstance(raw, dict) and "hf" in raw else raw


class FieldsSection(_Section):
    id: Name | None = None
    question: Names = "question"
    choices: Names | None = None
    """One column that holds lists, or a list of columns that hold one choice each."""
    answer: Name = "answer"
    cluster: Name | None = None
    together: Name | None = None
    evidence: Name | None = None
    abstain: Name | None = None
    """The answer that says that there is none: a label, or the text of a choice."""
    columns: list[Name] = Field(default_factory=list)


class BiasSection(_Section):
    groups: list[Name] = Field(default_factory=list)
    twins: Name | None = None
    positive: Name | None = None


class TaskFile(_Section):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    kind: Annotated[str, AfterValidator(_kind)]
    data: DataSection
    description: str = ""
    licence: str = "unknown"
    primary: Annotated[str, AfterValidator(_primary)] = "accuracy"
    fields: FieldsSection = Field(default_factory=FieldsSection)
    bias: BiasSection = Field(default_factory=BiasSection)
    labels: dict[str, str] = Field(default_factory=dict)
    criteria: Annotated[dict[str, Any], AfterValidator(_criteria)] = Field(default_factory=dict)

    @property
    def files(self) -> Mapping[str, str]:
        """Every data file or split that is named, by the set it holds; `documents` is one of them."""
        data = self.data
        own = {"train": data.train, "validation": data.validation, "test": data.test, "twins": data.twins}
        extra = {name: each if isinstance(each, str) else each.file for name, each in data.extra_tests.items()}
        named = {**own, **extra, "documents": data.documents}
        return {name: file for name, file in named.items() if file is not None}

    @property
    def disjoint_by(self) -> Mapping[str, str]:
        """Extra test -> the column whose values it may not share with what is trained on."""
        return {
            name: extra.disjoint_by
            for name, extra in self.data.extra_tests.items()
            if not isinstance(extra, str) and extra.disjoint_by is not None
        }

    def key_of(self, name: str) -> tuple[str, ...]:
        """Where the file or split of a set is named."""
        return ("data", "extra_tests", name) if name in self.data.extra_tests else ("data", name)
