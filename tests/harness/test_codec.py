"""What is held as parts reads like what was put in, one part at a time."""

from __future__ import annotations

import numpy as np
import pytest

from harness import codec
from harness.types import Answers, Question, Row, Text

SETS = [(), ("sale",), ("sale", "lease")]


def rows(count: int) -> list[Row]:
    return [
        Row(
            Question(f"q{number}", (Text(f"what is {number}?"), Text("é")), tuple("abcd"[: 2 + number % 3])),
            number % 2,
            f"c{number // 3}",
            {"gender": "female"} if number % 2 else {},
            SETS[number % 3],
            f"t{number // 2}" if number % 5 else None,
        )
        for number in range(count)
    ]


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "PART_ROWS", 4)


def test_few_rows_stay_as_they_are() -> None:
    assert codec.packed(iter(rows(4))) == tuple(rows(4))


@pytest.mark.parametrize("count", [5, 8, 11])
def test_packed_rows_read_like_a_tuple(count: int) -> None:
    given, held = rows(count), codec.packed(iter(rows(count)))
    assert isinstance(held, codec.Packed)
    assert len(held) == count
    assert list(held) == given
    assert [held[place] for place in (0, 4, -1, 3)] == [given[place] for place in (0, 4, -1, 3)]
    assert held[2:7] == tuple(given[2:7])
    with pytest.raises(IndexError):
        held[count]


@pytest.mark.parametrize("name", ["gold", "cluster", "groups", "evidence", "twin"])
def test_a_field_of_packed_rows_is_that_of_each(name: str) -> None:
    assert codec.column(codec.packed(iter(rows(11))), name) == codec.column(rows(11), name)


def test_parts_do_not_depend_on_how_rows_are_held() -> None:
    parts = list(codec.row_parts(rows(11)))
    assert len(parts) == 3
    assert list(codec.row_parts(codec.packed(iter(rows(11))))) == parts
    assert list(codec.decode_rows("test", "f", parts).rows) == rows(11)


@pytest.mark.parametrize("passages", [(), tuple(("sale",) * (number % 3) for number in range(11))])
def test_answers_come_back_and_the_chosen_one_is_the_first_of_the_best(passages: tuple[tuple[str, ...], ...]) -> None:
    random = np.random.default_rng(0)
    scores = tuple(np.round(random.random(2 + number % 3), 1).astype(np.float32) for number in range(11))
    given = Answers(scores, passages)
    parts = [codec.encode_answers(Answers(scores[at : at + 4], passages[at : at + 4])) for at in range(0, 11, 4)]
    found = codec.decode_answers(parts)
    assert [row.tolist() for row in found.scores] == [row.tolist() for row in scores]
    assert [row.tolist() for row in found.scores[3:6]] == [row.tolist() for row in scores[3:6]]
    assert tuple(found.passages) == passages
    assert codec.chosen(found.scores).tolist() == codec.chosen(scores).tolist() == given.chosen
    for flat, lengths in map(codec.flattened, (found.scores, scores)):
        assert flat.tolist() == np.concatenate(scores).tolist()
        assert lengths.tolist() == [len(row) for row in scores]


def test_no_answers_are_no_answers() -> None:
    found = codec.decode_answers([])
    assert (len(found.scores), found.passages) == (0, ())
    assert codec.chosen(found.scores).tolist() == []
