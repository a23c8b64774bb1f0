"""How a customer is written to: our settings first, then Stripe's word, then the organization's."""

from typing import Any

import pytest

from billing.core.customers import Correspondent, Whereabouts, correspondent

BERLIN = Whereabouts(zone="Europe/Berlin", country="DE", subdivision="BE")


def known(
    settings: Whereabouts = Whereabouts(),
    stripe: Whereabouts = Whereabouts(),
    organization: Whereabouts = BERLIN,
    **fields: Any,
) -> Correspondent:
    who = {"customer": "cus_1", "name": "Ann", "email": "ann@customer.example"} | fields
    return correspondent(settings=settings, stripe=stripe, organization=organization, **who)


def test_where_nothing_else_is_known_the_organizations_place_holds_and_english():
    assert known() == Correspondent(
        customer="cus_1",
        name="Ann",
        email="ann@customer.example",
        language="en",
        zone="Europe/Berlin",
        country="DE",
        subdivision="BE",
    )


def test_what_stripe_says_comes_before_the_organization():
    found = known(stripe=Whereabouts(language="de-AT", country="AT"))

    assert (found.language, found.zone, found.country) == ("de-AT", "Europe/Berlin", "AT")


def test_our_settings_come_before_everything():
    found = known(
        settings=Whereabouts("en-NZ", "Pacific/Auckland", "NZ", "AUK"),
        stripe=Whereabouts("de-AT", None, "AT"),
    )

    assert (found.language, found.zone, found.country, found.subdivision) == (
        "en-NZ",
        "Pacific/Auckland",
        "NZ",
        "AUK",
    )


def test_each_setting_stands_alone():
    found = known(settings=Whereabouts(zone="Asia/Kolkata"), stripe=Whereabouts("fr", None, "FR"))

    assert (found.language, found.zone, found.country) == ("fr", "Asia/Kolkata", "FR")


def test_the_organizations_part_of_the_country_is_not_taken_for_another_country():
    assert known(stripe=Whereabouts(country="US")).subdivision is None


def test_the_organizations_part_of_the_country_is_not_taken_where_stripe_names_the_country():
    """Somewhere in Germany is not Berlin."""
    found = known(stripe=Whereabouts(country="DE"))

    assert (found.country, found.subdivision) == ("DE", None)


def test_our_part_of_the_country_goes_with_stripes_country():
    found = known(settings=Whereabouts(subdivision="BY"), stripe=Whereabouts(country="DE"))

    assert (found.country, found.subdivision) == ("DE", "BY")


@pytest.mark.parametrize(
    ("settings", "zone", "country", "subdivision"),
    [
        (Whereabouts(zone="Mars/Olympus"), "Europe/Berlin", "DE", "BE"),
        (Whereabouts(country="XX"), "Europe/Berlin", None, None),
        (Whereabouts(country="NZ", subdivision="BY"), "Europe/Berlin", "NZ", None),
    ],
    ids=["a zone", "a country: nobody's holidays", "a part of the country"],
)
def test_what_is_not_known_here_is_passed_over(settings, zone, country, subdivision):
    found = known(settings=settings)

    assert (found.zone, found.country, found.subdivision) == (zone, country, subdivision)


def test_without_any_zone_it_is_utc():
    found = known(organization=Whereabouts(zone="Mars/Olympus"))

    assert (found.zone, found.country, found.subdivision) == ("UTC", None, None)


def test_a_customer_may_have_no_address_and_no_name():
    found = known(name=None, email=None)

    assert (found.name, found.email) == (None, None)
