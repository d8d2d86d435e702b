"""The command line: exit codes, streams, one-line errors, what `--help` costs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from harness.cli import main
from harness.testing.stores import WrittenArm, WrittenTask, write_run
from harness.types import Answers, Question, Row, Text
from tests.conftest import Command


@dataclass(frozen=True)
class Ended:
    returncode: object
    stdout: str
    stderr: str


@pytest.fixture
def here(
    stranger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """`harness ARGS` in this process, for what starts no worker: many times quicker than a new one."""

    def run(*arguments: object, **environment: str) -> Ended:
        monkeypatch.chdir(tmp_path)
        monkeypatch.syspath_prepend(str(stranger))
        monkeypatch.setattr("sys.argv", ["harness", *map(str, arguments)])
        with monkeypatch.context() as given:
            for name, value in environment.items():
                given.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        return Ended(ended.value.code, *capsys.readouterr())

    return run


def test_a_run_prints_its_table_and_resumes(
    command: Command, here: Callable[..., Ended], tiny: Path, tmp_path: Path
) -> None:
    first = command("run", "--task", tiny, "--strategy", "base,full", "--backend", "fake")
    assert first.returncode == 0, first.stderr
    assert "accuracy" in first.stdout
    assert "[1/2] base@fake:words done" in first.stderr
    again = here("run", "--task", tiny, "--strategy", "base,full", "--backend", "fake", "--json")
    assert again.returncode == 0
    assert "0 to run" in again.stderr
    assert json.loads(again.stdout)["schema"] == "harness.report/1"
    rows = json.loads(here("runs", "--json").stdout)
    assert [(row["task"], row["cells"], row["state"]) for row in rows] == [("tiny", 2, "done")] * 2
    assert here("report", rows[0]["run"], "--format", "csv", "-o", "out.csv").returncode == 0
    assert (tmp_path / "out.csv").read_text().startswith("arm,")


def test_deciding_again_says_whether_it_is_the_same(
    command: Command, here: Callable[..., Ended], tiny: Path, tmp_path: Path
) -> None:
    assert command("run", "--task", tiny, "--strategy", "majority,base,full", "--backend", "fake").returncode == 0
    told = here("decide").stdout
    assert told.startswith("Choose ")
    assert "the same as when the run ended" in told
    other = json.loads(here("decide", "--json", "--criteria", "least_accuracy=100,most_total_usd=0").stdout)
    assert (other["outcome"], other["replayed"]) == ("none is good enough", False)
    wrong = here("decide", "--criteria", "most_acuracy=3")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)


def test_a_dry_run_tells_time_memory_tokens_and_money(here: Callable[..., Ended], tiny: Path) -> None:
    arguments = ("run", "--task", tiny, "--strategy", "base,full", "--backend", "fake", "--dry-run")
    rows = json.loads(here(*arguments, "--json").stdout)
    for row in rows:
        assert all(row[f"estimated_{name}"] > 0 for name in ("s", "tokens", "flops", "ram_bytes", "usd"))
    shown = here(*arguments, "--gpu", "aws/T4").stdout
    assert "USD of this machine's hours in all" in shown
    assert "was last checked" in shown, "T4's price is of 2019"


def test_prices_are_listed_with_their_dates(here: Callable[..., Ended]) -> None:
    rows = json.loads(here("prices", "--json").stdout)
    assert {"NVIDIA H100", "NVIDIA H200", "NVIDIA A100", "NVIDIA L4", "NVIDIA T4", "vCPU"} <= {
        row["item"] for row in rows
    }
    assert all(row["source"] and row["valid_from"] for row in rows)
    assert any(row["old"] for row in rows)
    assert "g4dn.xlarge" in here("prices").stdout


def test_two_runs_are_compared_in_80_columns(here: Callable[..., Ended], tmp_path: Path) -> None:
    gold = [n % 2 for n in range(40)]
    rows = [Row(Question(f"q{n}", (Text(f"{n}?"),), ("yes", "no")), right, f"{n}") for n, right in enumerate(gold)]
    arms = ("majority", "lora+rag:retriever=bm25", "[red]full\x1b[31m")
    for run, chosen in (("then", [0] * 40), ("now", gold)):
        answers = Answers(tuple(np.eye(2, dtype=np.float32)[chosen]))
        written = [WrittenArm(name, [{"test": answers}]) for name in arms]
        write_run(tmp_path / ".harness", run, WrittenTask({"test": rows}), written)
    ended = here("compare", "then", "now")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "test: 40 questions in both" in ended.stdout
    assert re.search(r"majority +50\.0 +100\.0 +\+50\.0 \[.*\] +<\.001 +better +20/0", ended.stdout)
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert "[red]full" in ended.stdout
    assert "\x1b" not in ended.stdout
    found = json.loads(here("compare", "then", "now", "--json", "--margin", "60").stdout)
    assert found["schema"] == "harness.comparison/1"
    assert {arm["verdict"] for arm in found["arms"]} == {"better"}, "its 90 % interval may reach beyond 60 points"
    ended = here("compare", "then", "know")
    assert (ended.returncode, ended.stderr) == (2, "error: unknown run 'know'; did you mean 'now'?\n")


@pytest.mark.slow
def test_files_in_the_current_folder_are_not_imported(command: Command, tiny: Path, tmp_path: Path) -> None:
    """A downloaded task's folder must not run code."""
    for name in ("selectors", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    script = Path(sys.executable).with_name("harness")
    ended = command("run", "--task", tiny, "--strategy", "base", "--backend", "fake", program=[str(script)])
    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_a_failed_cell_is_exit_3(command: Command, tiny: Path) -> None:
    ended = command("run", "--task", tiny, "--strategy", "base,raises", "--backend", "fake")
    assert ended.returncode == 3
    assert "this strategy always fails" in ended.stdout


def test_nothing_that_could_run_is_exit_1(here: Callable[..., Ended], tiny: Path) -> None:
    tiny.write_text(
        tiny.read_text().replace('documents = "documents.jsonl"\n', "").replace('evidence = "document"\n', "")
    )
    ended = here("run", "--task", tiny, "--strategy", "rag", "--backend", "fake")
    assert ended.returncode == 1
    assert "the task has no documents to retrieve from" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "--task", "legal-qq"], "unknown task 'legal-qq'; did you mean 'legal-qa'?"),
        (["run", "--task", "TINY", "--strategy", "rga"], "unknown strategy 'rga'; did you mean 'rag'?"),
        (["run", "--task", "TINY", "--backend", "pytorch"], "unknown backend 'pytorch'; did you mean 'torch'?"),
        (
            ["run", "--task", "TINY", "--set", "full.lr=fast"],
            "setting full.lr='fast' must be a number from 0, such as 0.0001",
        ),
        (["run", "--task", "TINY", "--set", "full.lr=nan"], "setting full.lr='nan' must be a number from 0"),
        (["run", "--task", "TINY", "--set", "full.epochs=0"], "full.epochs='0' must be a whole number from 1"),
        (["run", "--task", "TINY", "--set", "rag.k=11"], "rag.k='11' must be auto or a whole number from 1 to 10"),
        (["run", "--task", "TINY", "--set", "rag.k=many"], "rag.k='many' must be auto or a whole number"),
        (["run", "--task", "TINY", "--set", "rag.reading=1.5"], "rag.reading='1.5' must be auto or a number from 0"),
        (["run", "--task", "TINY", "--set", "probe.c=-1"], "probe.c='-1' must be auto or a number from 1e-06"),
        (["run", "--task", "TINY", "--set", "full.rate=1"], "unknown setting 'full.rate'"),
        (["run", "--task", "TINY", "--seeds", "0,0"], "--seeds must be different whole numbers from 0, such as 0,1,2"),
        (["run", "--task", "TINY", "--strategy", "full+lora"], "strategy 'full+lora' tunes the weights twice"),
        (["run", "--task", "TINY", "--strategy", "fewshot+rag"], "strategy 'fewshot+rag' gives context twice"),
        (["run", "--task", "TINY", "--strategy", "rag:k"], "'k' must be NAME=VALUE, such as rag:retriever=bm25"),
        (["run", "--task", "TINY", "--strategy", ""], "--strategy names nothing; leave it out for all"),
        (["run", "--task", "TINY", "--time-limit", "nan"], "--time-limit nan must be a number of seconds above 0"),
        (["run", "--task", "TINY", "--limit", "0"], "--limit 0 must be at least 1"),
        (["report", "--format", "pdf"], "unknown format 'pdf'"),
        (["report"], "no store at .harness; start a run with harness run"),
        (["compare", "a", "b"], "no store at .harness; start a run with harness run"),
        (["compare", "a"], "Missing argument 'NOW'; see harness compare --help"),
        (["run", "--task", "."], "no task file at '.'"),
        (["run", "--task", "\udcff"], "argument '\\udcff' is not UTF-8"),
        (["run", "--bogus"], "No such option '--bogus'"),
        (["rum"], "No such command 'rum'"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(
    here: Callable[..., Ended], tiny: Path, arguments: list[str], told: str
) -> None:
    ended = here(*(tiny if each == "TINY" else each for each in arguments))
    assert ended.returncode == 2
    assert told in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    assert ended.stdout == ""


def test_a_bad_task_file_runs_nothing(here: Callable[..., Ended], tiny: Path, tmp_path: Path) -> None:
    tiny.write_text(tiny.read_text() + "\nsurprise = 1\n")
    ended = here("run", "--task", tiny, "--backend", "fake")
    assert ended.returncode == 2
    assert "task.toml:" in ended.stderr
    assert not (tmp_path / ".harness").exists()


def test_a_dry_run_plans_and_leaves_no_store(here: Callable[..., Ended], tiny: Path, tmp_path: Path) -> None:
    ended = here("run", "--task", tiny, "--backend", "fake", "--dry-run", "--json", "--seeds", "0,1")
    rows = json.loads(ended.stdout)
    assert ended.returncode == 0
    assert {row["status"] for row in rows} == {"planned"}
    assert all(row["estimated_s"] > 0 for row in rows)
    assert sum(row["arm"].startswith("full@") for row in rows) == 2
    assert not (tmp_path / ".harness").exists()


def test_settings_come_from_flags_then_environment_then_file(
    here: Callable[..., Ended], tiny: Path, tmp_path: Path
) -> None:
    (tmp_path / "harness.toml").write_text(f'[run]\ntask = "{tiny}"\nbackend = "fake"\nstrategy = "base"\n')
    arms = [row["arm"] for row in json.loads(here("run", "--dry-run", "--json").stdout)]
    assert arms == ["base@fake:words"]
    ended = here("run", "--dry-run", "--json", HARNESS_STRATEGY="probe")
    assert [row["arm"] for row in json.loads(ended.stdout)] == ["probe@fake:words"]
    ended = here("run", "--dry-run", "--json", "--strategy", "majority", HARNESS_STRATEGY="probe")
    assert [row["arm"] for row in json.loads(ended.stdout)] == ["majority@none"]


def test_a_bad_settings_file_is_one_line(here: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "harness.toml").write_text("[run\n")
    ended = here("runs")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: harness.toml: not TOML")


@pytest.mark.parametrize("listing", ["backends", "strategies", "measures"])
def test_listings_speak_json(here: Callable[..., Ended], listing: str) -> None:
    rows = json.loads(here(listing, "--json").stdout)
    assert all({"name", "summary"} <= set(row) for row in rows)


@pytest.mark.slow
def test_a_task_is_checked_with_figures(here: Callable[..., Ended], tiny: Path) -> None:
    ended = here("task", "check", tiny, "--no-encoder", "--json")
    assert ended.returncode == 0
    found = json.loads(ended.stdout)
    assert {row["set"]: row["questions"] for row in found["sets"]}["test"] == 4
    assert {"answer places", "choices alone, tf-idf"} <= {finding["check"] for finding in found["findings"]}
    table = here("task", "check", tiny, "--no-encoder").stdout
    assert "chance" in table


@pytest.mark.slow
def test_a_task_is_fixed_in_a_copy(here: Callable[..., Ended], tiny: Path, tmp_path: Path) -> None:
    tested = json.loads((tiny.parent / "test.jsonl").read_text().splitlines()[0])
    with (tiny.parent / "train.jsonl").open("a") as train:
        train.write(json.dumps({**tested, "id": "again"}) + "\n")
    ended = here("task", "check", tiny, "--no-encoder", "--fix", tmp_path / "clean", "--json")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert [(row["id"], row["reason"]) for row in found["dropped"]] == [("again", "is tested")]
    assert "duplicates, trained on and tested" in {each["check"] for each in found["findings"] if not each["count"]}
    again = here("task", "check", tiny, "--no-encoder", "--fix", tmp_path / "clean")
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)


def test_help_imports_nothing_heavy() -> None:
    heavy = ("numpy", "pandas", "rich", "pydantic", "pyarrow")
    look = f"import sys, harness.cli; print([name for name in {heavy} if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == "[]"
