"""Plugins found through entry points, loaded one by one; a broken one is listed and harms nobody."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

import pluggy

from harness import hookspecs
from harness.contracts import (
    API_VERSION,
    BackendSpec,
    MeasureSpec,
    PriceList,
    StrategySpec,
    TaskSpec,
)
from harness.errors import MissingDependency, UsageError, unknown
from harness.keys import source_hash
from harness.remote.machines import MachinesSpec
from harness.remote.repositories import RepositoriesSpec
from harness.reporting import ReporterSpec

GROUP = "harness"
HOOKS = tuple(name for name in dir(hookspecs) if name.startswith("harness_"))
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One entry point and how it fared; `problem` is the one line that `plugins doctor` prints."""

    name: str
    package: str
    distribution: str
    version: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Catalogue(Generic[T]):
    """Specs of one sort by name, with the plugin that each came from."""

    what: str
    specs: Mapping[str, T] = field(default_factory=dict)
    plugins: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> T:
        if name not in self.specs:
            raise UsageError(unknown(self.what, name, self.specs))
        return self.specs[name]

    def __iter__(self) -> Any:
        return iter(self.specs.values())


class Registry:
    """Everything that plugins offer; passed in wherever it is needed, never global."""

    def __init__(self, manager: pluggy.PluginManager, plugins: Iterable[PluginInfo]) -> None:
        self.manager = manager
        self._plugins = list(plugins)
        self.tasks = self._collect("task", "harness_tasks", TaskSpec)
        self.backends = self._collect("backend", "harness_backends", BackendSpec)
        self.strategies = self._collect("strategy", "harness_strategies", StrategySpec)
        self.measures = self._collect("measure", "harness_measures", MeasureSpec)
        self.reporters = self._collect("format", "harness_reporters", ReporterSpec)
        self.prices = self._collect("price list", "harness_prices", PriceList)
        self.machines = self._collect("service with machines", "harness_machines", MachinesSpec)
        self.repositories = self._collect("service with repositories", "harness_repositories", RepositoriesSpec)

    @property
    def plugins(self) -> list[PluginInfo]:
        return sorted(self._plugins, key=lambda plugin: plugin.name)

    def source_of(self, name: str) -> str:
        """Hash of a plugin's package, so that changed code never reuses an old result."""
        plugin = self.manager.get_plugin(name)
        module = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
        return package_hash(sys.modules.get(module.split(".")[0]))

    def _offered(self, hook: str, sort: type[T]) -> Iterator[tuple[str, T]]:
        """What every plugin's hook returns, with the plugin's name; what is broken is blamed and left out."""
        for impl in getattr(self.manager.hook, hook).get_hookimpls():
            try:
                offered = list(impl.function())
            except Exception as error:
                self._blame(impl.plugin_name, f"{hook} failed: {type(error).__name__}: {error}")
                continue
            for spec in offered:
                if isinstance(spec, sort):
                    yield impl.plugin_name, spec
                else:
                    self._blame(impl.plugin_name, f"{hook} must return {sort.__name__}s, not {type(spec).__name__}")

    def _collect(self, what: str, hook: str, sort: type[T]) -> Catalogue[T]:
        specs: dict[str, Any] = {}
        owners: dict[str, str] = {}
        for plugin, spec in self._offered(hook, sort):
            name = spec.name  # type: ignore[attr-defined]
            if name in specs:
                self._blame(
                    plugin,
                    f"plugins {owners[name]!r} and {plugin!r} both offer {what} {name!r}; uninstall one or name it in "
                    "HARNESS_DISABLE_PLUGINS",
                )
                continue
            specs[name], owners[name] = spec, plugin
        return Catalogue(what, {name: specs[name] for name in sorted(specs)}, owners)

    def _blame(self, name: str, problem: str) -> None:
        known = next((place for place, plugin in enumerate(self._plugins) if plugin.name == name), None)
        if known is None:
            self._plugins.append(PluginInfo(name, name, "unknown", "0", problem))
        else:
            self._plugins[known] = replace(self._plugins[known], problem=problem)


def load_registry(extra: Iterable[tuple[str, object]] = ()) -> Registry:
    """Load every installed plugin, then `extra` ones given in code (tests, notebooks)."""
    manager = pluggy.PluginManager("harness")
    manager.add_hookspecs(hookspecs)
    disabled = set(filter(None, os.environ.get("HARNESS_DISABLE_PLUGINS", "").split(",")))
    plugins: list[PluginInfo] = []
    owner = functools.cache(_owner)  # the metadata of a distribution with eight plugins is parsed once
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda entry: entry.name):
        if entry.name not in disabled:
            found = PluginInfo(entry.name, entry.value, *owner(entry.dist))
            plugins.append(_load(manager, entry, found, plugins))
    for name, plugin in extra:
        manager.register(plugin, name=name)
        plugins.append(PluginInfo(name, getattr(plugin, "__name__", name), "in code", "0"))
    return Registry(manager, plugins)


def _owner(distribution: metadata.Distribution | None) -> tuple[str, str]:
    """Its name and version."""
    if distribution is None:
        return "unknown", "0"
    found = distribution.metadata
    return found["Name"], found["Version"]


def _load(
    manager: pluggy.PluginManager, entry: metadata.EntryPoint, found: PluginInfo, before: Iterable[PluginInfo]
) -> PluginInfo:
    def broken(problem: str) -> PluginInfo:
        return replace(found, problem=problem)

    if manager.has_plugin(entry.name):
        other = next(plugin.distribution for plugin in before if plugin.name == entry.name)
        return broken(f"{other} has a plugin called {entry.name!r} already; uninstall one or rename its entry point")
    try:
        plugin = entry.load()
    except (Exception, SystemExit) as error:
        return broken(f"cannot be imported: {type(error).__name__}: {error}{_hint(error)}")
    version = getattr(plugin, "HARNESS_API", API_VERSION)
    if version != API_VERSION:
        return broken(f"written for plugin API {version}, this harness has {API_VERSION}; install a matching version")
    if manager.is_registered(plugin):
        return broken(f"{entry.value} is loaded already as {manager.get_name(plugin)!r}; remove one entry point")
    try:
        manager.register(plugin, name=entry.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        manager.unregister(name=entry.name)
        return broken(_misspelt(manager, plugin) or f"offers a hook with other arguments: {error}")
    unmarked = [name for name in HOOKS if hasattr(plugin, name) and not manager.parse_hookimpl_opts(plugin, name)]
    if unmarked:
        return broken(f"{unmarked[0]} is not marked with @hookimpl, so it is never called")
    return found


def _hint(error: BaseException) -> str:
    """A name that the core does not have (any more) is a matter of versions."""
    if isinstance(error, ImportError) and (error.name or "").split(".")[0] == GROUP:
        return f"; it may be written for another plugin API, this harness has {API_VERSION}"
    return ""


def _misspelt(manager: pluggy.PluginManager, plugin: object) -> str | None:
    names = [name for name in dir(plugin) if manager.parse_hookimpl_opts(plugin, name)]
    wrong = [name for name in names if name not in HOOKS]
    return f"offers a hook that does not exist: {unknown('hook', wrong[0], HOOKS)}" if wrong else None


def is_there(module: str) -> bool:
    """Whether it could be imported; of `a.b` only `a` is."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def require(name: str, requires: Iterable[str], extra: str) -> None:
    """Raise `MissingDependency` with the line to type, without importing anything."""
    missing = [module for module in requires if not is_there(module)]
    if missing:
        how = f": pip install 'adapt-harness[{extra}]'" if extra else ""
        raise MissingDependency(f"{name!r} needs {', '.join(missing)}{how}")


def package_hash(package: ModuleType | None) -> str:
    """sha256 over the names and bytes of a package's Python files; empty for what has no file."""
    if package is None or package.__file__ is None:
        return ""
    here = Path(package.__file__)
    names = [file.relative_to(here.parent).as_posix() for file in here.parent.rglob("*.py")]
    return source_hash(here.parent, sorted(names) if here.name == "__init__.py" else [here.name])
