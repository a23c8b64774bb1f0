"""The benchmark of the console's pages runs, and each page keeps to its number of queries."""

import pytest

from bench import pages
from bench.options import Options

pytestmark = pytest.mark.slow


def test_every_measured_page_answers_in_few_queries() -> None:
    report = pages.run(Options(rounds=1, invoices=200, operations=20))
    queries = {page["path"]: page["queries"] for page in report.facts["pages"]}
    assert len(queries) == len(report.rows) > 25
    assert {path: count for path, count in queries.items() if count > pages.MOST_QUERIES} == {}
