"""How to write to a customer: in which language, and by the clocks and holidays of which place."""

from typing import NamedTuple

from .business_time import known_country, known_subdivision, known_zone

LANGUAGE = "en"
"""Where nothing else is known."""


class Whereabouts(NamedTuple):
    """What somebody says of a customer, or of an organization; None: nothing."""

    language: str | None = None
    zone: str | None = None
    country: str | None = None
    subdivision: str | None = None


class Correspondent(NamedTuple):
    """A customer as one writes to them. `zone` is an IANA name, `country` ISO 3166-1, `language` BCP 47."""

    customer: str
    name: str | None
    email: str | None
    language: str
    zone: str
    country: str | None
    """None where nobody's holidays are kept: its own are not known here."""
    subdivision: str | None


def correspondent(
    *,
    customer: str,
    name: str | None,
    email: str | None,
    settings: Whereabouts,
    stripe: Whereabouts,
    organization: Whereabouts,
) -> Correspondent:
    """What our settings say holds, else what Stripe says, else what is so of the organization.

    A subdivision is taken only from who names the country too, or from our settings. What is not known here
    (zones and holidays come and go with releases) is passed over, never an error: the mail goes out.
    """
    ranked = (settings, stripe, organization)
    zone = next((one.zone for one in ranked if one.zone and known_zone(one.zone)), "UTC")
    of_country = next((one for one in ranked if one.country), Whereabouts())
    country = of_country.country if of_country.country and known_country(of_country.country) else None
    subdivision = next((s for s in (settings.subdivision, of_country.subdivision) if s), None)
    return Correspondent(
        customer=customer,
        name=name,
        email=email,
        language=next((one.language for one in ranked if one.language), LANGUAGE),
        zone=zone,
        country=country,
        subdivision=subdivision if country and known_subdivision(country, subdivision) else None,
    )
