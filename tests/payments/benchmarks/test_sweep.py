"""A small run: its counts and its plan. No time is asserted, so that a busy machine fails nothing."""

from __future__ import annotations

import re
from pathlib import Path

from payments.benchmarks.filler import DUE
from tests.payments.benchmarks.running import bench_to_file

ROWS = 2_000


def test_a_claim_reads_by_the_partial_index(bench_here: None, tmp_path: Path) -> None:
    said, figures = bench_to_file(tmp_path / "figures.json", "sweep", "--rows", str(ROWS))

    assert f"{1 + ROWS:,} payments, {DUE} of them due" in said
    # A claim looks past rows of a provider at its cap, and no further.
    read = re.search(r"The claim reads (\d+) rows of payments_payment by (\w+)\.", said)
    assert read
    assert read[2] == figures["index"] == "payments_due"
    assert int(read[1]) == figures["rows_read"]
    assert figures["rows_read"] <= 32
    assert "Index Scan using payments_due on payments_payment" in said
    assert "Buffers: shared" in said
    assert set(figures["claim_ms_by_rows"]) == {str(ROWS)}
