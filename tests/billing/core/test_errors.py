from billing.core.errors import (
    REMEDIES,
    BillingError,
    Code,
    ConfigurationError,
    Conflict,
    CurrencyMismatch,
    Forbidden,
    InvalidPolicy,
    InvalidRequest,
)


def test_an_error_has_a_code_a_message_and_the_field_to_blame():
    error = InvalidRequest(Code.UNKNOWN_PLAN, "There is no plan 'gold'", field="plan")
    assert (error.code, error.message, error.field) == ("unknown_plan", "There is no plan 'gold'", "plan")
    assert str(error) == "There is no plan 'gold'"
    assert type(error.code) is str


def test_the_field_may_be_left_out():
    assert Conflict("plan_change_open", "op_1 is open").field is None


def test_every_code_has_a_mend():
    assert set(REMEDIES) == set(Code)
    assert Conflict(Code.SAME_PLAN, "…").remedy == (
        "Choose another plan, number of seats, interval or quantity of an add-on."
    )
    assert Conflict("plan_change_open", "…").remedy is None


def test_wrong_input_wrong_state_and_missing_authority_are_told_apart():
    assert issubclass(CurrencyMismatch, InvalidRequest)
    assert issubclass(InvalidPolicy, ConfigurationError)
    for kind in (InvalidRequest, Conflict, Forbidden, ConfigurationError):
        assert issubclass(kind, BillingError)


def test_a_wrong_policy_lists_all_its_errors():
    error = InvalidPolicy(["currency: missing", "stripe: missing"])
    assert error.errors == ["currency: missing", "stripe: missing"]
    assert error.message == "The policy is wrong:\n- currency: missing\n- stripe: missing"
