"""Hypothesis without a clock: how fast a shared machine is says nothing about the domain."""

from hypothesis import HealthCheck, settings

settings.register_profile("plixo", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("plixo")
