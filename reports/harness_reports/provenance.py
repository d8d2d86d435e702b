"""Where a report comes from and how to have it again, in tables for any format."""

import datetime
from collections.abc import Mapping
from typing import Any

from harness_reports.tables import Table

UNTOLD = "the run's options are not in this document; with the same ones the same command resumes and repeats nothing"


def dated(report: Mapping[str, Any]) -> str:
    """The day on which the run began, in UTC, so that it reads the same everywhere."""
    return datetime.datetime.fromtimestamp(report["run"]["created"], datetime.UTC).strftime("%Y-%m-%d")


def model(report: Mapping[str, Any]) -> str | None:
    """Backend and model, where all arms that have one have the same."""
    ran = {f"{arm['model']} on {arm['backend']}" for arm in report["table"] if arm["model"] is not None}
    return ran.pop() if len(ran) == 1 else None


def tables(report: Mapping[str, Any]) -> list[Table]:
    run = report["run"]
    environment = {name: value for name, value in run["environment"].items() if name != "versions"}
    rows = [["run", str(run["id"])], ["began (UTC)", dated(report)]]
    rows += [["task", str(run["task"]["name"])], ["fingerprint of the task", str(run["task"].get("fingerprint", ""))]]
    rows += [["questions", sizes(report)]]
    rows += [[name, str(value)] for name, value in environment.items()]
    versions = [[name, str(version)] for name, version in (run["environment"].get("versions") or {}).items()]
    found = [("the run", ["what", "value"], rows), ("versions", ["package", "version"], versions)]
    return [table for table in found if table[2]]


def sizes(report: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {size}" for name, size in report["run"]["sets"].items())


def commands(report: Mapping[str, Any]) -> list[str]:
    """What to type: the run's own command where the document has it, and this report again."""
    command = report["run"].get("command")
    told = " ".join(map(str, command)) if isinstance(command, list) else command
    again = f"harness report {report['run']['id']}"
    return [str(told), again] if told else [again]


def notes(report: Mapping[str, Any]) -> list[str]:
    return [] if report["run"].get("command") else [UNTOLD]
