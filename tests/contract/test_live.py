"""The runner of the vectors against real Stripe, proven on the stand-in."""

import pytest

from sandbox.stripe.server.inprocess import StandIn

from .live.__main__ import main


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRIPE_TEST_KEY", "sk_test_contract")


def test_all_vectors_are_equal_on_the_stand_in(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["--address", stand_in.url])
    said = capsys.readouterr().out
    assert (code, [line for line in said.splitlines() if line.startswith("differs")]) == (0, [])


def test_it_prints_what_differs(stand_in: StandIn, capsys: pytest.CaptureFixture[str]) -> None:
    stand_in.control("switches", {"tax_rounding": "invoice"})
    try:
        code = main(["--address", stand_in.url, "100000 and 5000"])
    finally:
        stand_in.control("switches", {"tax_rounding": "line"})
    said = capsys.readouterr().out
    assert code == 1
    assert "taxes: expected [9546], is [9545]" in said
    assert "0 of 1 vectors are equal" in said


def test_without_a_key_it_plays_nothing_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for key in ("", "sk_live_1"):
        monkeypatch.setenv("STRIPE_TEST_KEY", key)
        assert main([]) == 2
        assert "STRIPE_TEST_KEY" in capsys.readouterr().out
