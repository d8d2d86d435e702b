"""A folder in the layout of the Hugging Face hub -> its splits, each a table like that of a file.

The `datasets` library reads it, which takes about a second to import: only a task that names a dataset pays for
it. It converts the files to Arrow in a scratch folder of this reading, not in its cache, which tells a changed file
by its time alone.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.kinds import Columns, shown
from harness.taskfile.files import Record, Table
from harness.taskfile.hub import DatasetFault, confines, fetched, read_card, reason

READERS = ("csv", "json", "parquet")
"""Of the library's: others decode media, or formats of which we know no harmless use here."""
BATCH = 1000

Named = Callable[[Any], Any]


@contextmanager
def opened(name: str, config: str | None, revision: str | None, data: Path | None) -> Iterator[Splits]:
    """The splits of a dataset, to be read within the context: of its copy in the folder `data`, or of the hub's.

    Raises `DatasetFault`.
    """
    datasets = _library()
    folder = fetched(name, config, revision) if data is None else data
    if not folder.is_dir():
        raise DatasetFault(f"is to be read from {folder}, which is no folder")
    read_card(folder).patterns(config)
    with _quiet(datasets), TemporaryDirectory(prefix="harness-", ignore_cleanup_errors=True) as scratch:
        try:
            builder = datasets.load_dataset_builder(str(folder.resolve()), name=config, cache_dir=scratch)
        except (datasets.exceptions.DataFilesNotFoundError, datasets.data_files.EmptyDatasetError):
            raise DatasetFault(
                f"has no {', '.join(READERS)} files, or none where its card looks for them; a loading script is "
                'never run: try the conversion on the hub, revision = "refs/convert/parquet"'
            ) from None
        except Exception as error:  # what a stranger's card and files make the library raise is anything
            raise DatasetFault(f"cannot be read: {reason(error)}") from None
        yield Splits(name, builder, _files(builder, confines(folder)))


def _library() -> Any:
    try:
        import datasets
    except ImportError:
        raise DatasetFault("needs the library 'datasets': pip install 'adapt-harness[hf]'") from None
    if int(datasets.__version__.split(".")[0]) < 4:
        raise DatasetFault("needs datasets 4 or later, which runs no code of a dataset: pip install -U datasets")
    return datasets


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Faults are told as ours, once; bars would tell of files that take moments."""
    loggers = {logging.getLogger(name): logging.getLogger(name).level for name in ("datasets", "huggingface_hub")}
    bars = not datasets.are_progress_bars_disabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        datasets.disable_progress_bars()
        try:
            yield
        finally:
            for logger, level in loggers.items():
                logger.setLevel(level)
            if bars:
                datasets.enable_progress_bars()


def _files(builder: Any, root: Path) -> Mapping[str, Sequence[str]]:
    """Split -> its files; raises `DatasetFault` for what must not be read."""
    if builder.name not in READERS:
        raise DatasetFault(f"holds {builder.name} files; {', '.join(READERS)} can be read")
    files = {str(split): [str(file) for file in files] for split, files in builder.config.data_files.items()}
    for split, found in files.items():
        if not found:
            raise DatasetFault(f"has no file of the split {shown(split)}")
        for file in found:
            if "://" in file or not Path(file).resolve().is_relative_to(root):
                raise DatasetFault(f"has a file {shown(Path(file).name)} that is a link out of it")
    return files


class Splits:
    """The splits of one configuration of a dataset."""

    def __init__(self, name: str, builder: Any, files: Mapping[str, Sequence[str]]) -> None:
        self.name, self._builder = name, builder
        self.names = tuple(files)
        self._expected = {str(split): info.num_examples for split, info in (builder.info.splits or {}).items()}

    def prepare(self) -> None:
        """Convert the files; raises `DatasetFault`."""
        try:
            self._builder.download_and_prepare(verification_mode="no_checks")
        except Exception as error:
            raise DatasetFault(f"cannot be read: {reason(error.__cause__ or error)}") from None

    def read(
        self, split: str, wanted: Collection[str], faults: list[str], answer: tuple[str, Columns] | None = None
    ) -> Table:
        """One split whole, of the columns in `wanted`; classes become their names.

        `answer` names the columns of the answers and their choices where a row brings its own choices: a class is
        then the place of the choice, unless a choice has its name.
        """
        name = f"{self.name}[{split}]"
        before, records = len(faults), list[Record]()
        columns: tuple[str, ...] = ()
        number = 0
        try:
            rows = self._builder.as_dataset(split=split)
            columns = tuple(rows.column_names)
            known = [column for column in columns if column in wanted]
            if not known:  # enough to say which columns are missing
                records = [Record(f"{name}:row ", 1, {})] if len(rows) else []
                return Table(name, name, records, len(records), columns, True)
            named = _named(rows.features, known)
            for batch in rows.select_columns(known).iter(batch_size=BATCH):
                for found in zip(*(batch[column] for column in known), strict=True):
                    number += 1
                    values = dict(zip(known, found, strict=True))
                    try:
                        records.append(Record(f"{name}:row ", number, _with_names(values, named, answer)))
                    except _NoClass as fault:
                        faults.append(f"{name}:row {number}: {fault}")
        except Exception as error:  # decoding fails in as many ways as there are types
            faults.append(f"{name}:row {number + 1}: from here on not readable: {reason(error)}")
        expected = self._expected.get(split) or number
        if number != expected and len(faults) == before:
            faults.append(f"{name}: {number} rows where its card says {expected}; is a file missing?")
        return Table(name, name, records, len(records), columns, len(faults) == before)


class _NoClass(ValueError):
    pass


def _named(features: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Named]:
    """Column of classes, or of lists of them -> what makes names of its numbers."""
    from datasets import ClassLabel

    found: dict[str, Named] = {}
    for column in columns:
        feature = features[column]
        if isinstance(feature, ClassLabel):
            found[column] = _namer(column, feature.names)
        elif isinstance(inner := getattr(feature, "feature", None), ClassLabel):
            found[column] = _each(_namer(column, inner.names))
    return found


def _namer(column: str, names: Sequence[str]) -> Named:
    known: dict[Any, str | None] = {None: None, -1: None, **dict(enumerate(names))}  # -1: the library's "no label"

    def name(number: Any) -> str | None:
        if number not in known:
            raise _NoClass(f"{column} {shown(number)} is none of its {len(names)} classes")
        return known[number]

    return name


def _each(name: Named) -> Named:
    return lambda values: None if values is None else [name(value) for value in values]


def _with_names(
    values: dict[str, Any], named: Mapping[str, Named], answer: tuple[str, Columns] | None
) -> dict[str, Any]:
    found = {column: named[column](value) if column in named else value for column, value in values.items()}
    if answer is not None and answer[0] in named:
        column, choices = answer
        offered = found.get(choices) if isinstance(choices, str) else [found.get(choice) for choice in choices]
        if found[column] is not None and found[column] not in (offered or ()):
            found[column] = values[column]
    return found
