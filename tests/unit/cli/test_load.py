"""The figures of `bench`: spreads, levels and the comparison, without a server."""

import pytest

from langchain_qwen3.cli.bench import build_table, read_streams
from langchain_qwen3.cli.load import Level, Reply, Spread, compare, spread
from langchain_qwen3.errors import Qwen3ServerError


def build_level(streams: int, seconds: float, *, failed: int = 0) -> Level:
    """Return a level of four replies of 11 tokens, one every tenth of a second."""
    replies = tuple(Reply(first=0.5, last=1.5, tokens=11) for _ in range(4 - failed))
    errors = tuple(Qwen3ServerError("HTTP 500: no") for _ in range(failed))
    return Level(streams=streams, seconds=seconds, replies=replies, errors=errors)


def test_takes_median_and_95th_percentile():
    """Protects the figures: the median of 0 to 100 is 50, the 95th percentile 95."""
    assert spread([float(number) for number in range(101)]) == Spread(50.0, 95.0)
    assert spread([3.0]) == Spread(3.0, 3.0)
    assert spread([]) == Spread(0.0, 0.0)


def test_counts_throughput_over_all_streams():
    """Protects the throughput: all tokens over the time of the level, not over that of a stream."""
    level = build_level(4, 2.0)
    assert level.throughput == 22.0
    assert level.first_token == Spread(0.5, 0.5)
    assert level.between_tokens == Spread(0.1, 0.1)


def test_leaves_failed_requests_out_of_the_figures():
    """Protects from a server that looks fast because it refuses."""
    level = build_level(4, 2.0, failed=3)
    assert level.to_dict() == {
        "streams": 4,
        "requests": 4,
        "failed": 3,
        "seconds": 2.0,
        "tokens": 11,
        "tokens_per_second": 5.5,
        "first_token": {"p50": 0.5, "p95": 0.5},
        "between_tokens": {"p50": 0.1, "p95": 0.1},
    }


def test_has_no_time_between_tokens_when_there_is_only_one():
    """Protects replies of one token from a division by zero."""
    level = Level(streams=1, seconds=1.0, replies=(Reply(0.5, 0.5, 1),), errors=())
    assert level.between_tokens == Spread(0.0, 0.0)


def test_compares_serial_with_concurrent_in_one_line():
    """Protects the sentence people quote."""
    assert compare([build_level(1, 6.0), build_level(2, 3.5), build_level(4, 2.0)]) == (
        "4 requests: 6.00 s one after another, 2.00 s with 4 at once, 3.0 × as fast"
    )


@pytest.mark.parametrize(
    "levels",
    [
        [build_level(1, 6.0)],
        [build_level(2, 6.0), build_level(4, 2.0)],
        [build_level(1, 6.0), build_level(4, 2.0, failed=1)],
    ],
)
def test_compares_nothing_when_it_was_not_measured(levels: list[Level]):
    """Protects from a comparison of what cannot be compared."""
    assert compare(levels) == ""


def test_shows_a_level_in_which_everything_failed():
    """Protects the table from a division by zero."""
    assert build_table([build_level(1, 1.0, failed=4), build_level(2, 1.0, failed=4)]).row_count == 2


def test_reads_the_numbers_of_streams():
    """Protects the order of the levels: each once, the fewest first."""
    assert read_streams("8, 1,2,2") == [1, 2, 8]


@pytest.mark.parametrize("text", ["", "0,1", "-1", "two", "1;2"])
def test_raises_when_the_streams_are_no_numbers(text: str):
    """Protects from a measurement of nothing."""
    with pytest.raises(ValueError, match="--streams"):
        read_streams(text)
