"""A repository of a service: where an adaptation is put, and from where it is taken."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import HarnessError, UsageError
from harness.later import resolve
from harness.registry import Registry, require
from harness.remote.repositories import Repositories, RepositoriesSpec


@dataclass(frozen=True, slots=True)
class Target:
    """A repository of a service."""

    spec: RepositoriesSpec
    name: str

    @property
    def told(self) -> str:
        return f"{self.spec.name}:{self.name}"

    def opened(self) -> Repositories:
        """Raises `HarnessError` where it cannot be used, such as without a key."""
        if reason := self.spec.why_not(self.spec.endpoint()):
            raise HarnessError(f"{self.told}: {reason}")
        found: Repositories = resolve(self.spec.load)()
        return found


def target(registry: Registry, text: str) -> Target:
    """Of `SERVICE:NAME`; raises `UsageError`."""
    service, colon, name = text.partition(":")
    if not colon:
        raise UsageError(f"{text!r} names no repository: give SERVICE:NAME, such as huggingface:ORG/NAME")
    spec = registry.repositories.get(service)
    require(spec.name, spec.requires, spec.extra)
    return Target(spec, spec.named(name))
