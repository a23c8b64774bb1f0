"""How a process reaches Temporal: its own server, one behind TLS, or Temporal Cloud."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from temporalio.client import Client, Interceptor
from temporalio.envconfig import ClientConfigProfile, ClientConnectConfig
from temporalio.runtime import Runtime

from billing.core.keys import Keys

from .codec import converter

ADDRESS, NAMESPACE = "127.0.0.1:7233", "default"
FILE, PROFILE = "TEMPORAL_CONFIG_FILE", "TEMPORAL_PROFILE"


def interceptors() -> list[Interceptor]:
    """What carries traces through Temporal, in clients and in the workers on them: in headers, which are no
    part of what a workflow decides by, and with spans only where it does not replay."""
    from temporalio.contrib.opentelemetry import TracingInterceptor  # loads OpenTelemetry's SDK

    return [TracingInterceptor()]


class InvalidConnection(Exception):
    """A setting, by its name, and what is wrong with it."""


class TemporalSettings(Protocol):
    """Those of a process that say where Temporal is."""

    @property
    def temporal_address(self) -> str | None: ...
    @property
    def temporal_namespace(self) -> str | None: ...
    @property
    def keys(self) -> Keys | None: ...
    @property
    def otlp_endpoint(self) -> str | None: ...


@dataclass(frozen=True)
class Connection:
    """Where Temporal is, and how payloads are encrypted for it: not at all without keys."""

    given: ClientConnectConfig
    keys: Keys | None
    traced: bool = False
    """Whether what goes through Temporal stays in the trace that it belongs to."""

    @property
    def address(self) -> str:
        return self.given.get("target_host", ADDRESS)

    async def client(self, runtime: Runtime | None = None, *, lazy: bool = False) -> Client:
        """Raises RuntimeError while Temporal can't be reached; a lazy one connects when it is first used."""
        options = ClientConnectConfig(target_host=ADDRESS, namespace=NAMESPACE) | self.given
        return await Client.connect(
            **options,
            data_converter=converter(self.keys),
            interceptors=interceptors() if self.traced else [],
            runtime=runtime,
            lazy=lazy,
        )


def connection(settings: TemporalSettings) -> Connection:
    """As Temporal's own tools are told, by TEMPORAL_… variables or the profile of the file that
    TEMPORAL_CONFIG_FILE names; a file at home is not looked for. What the settings say comes before that.

    Raises InvalidConnection.
    """
    try:
        file = Path(os.environ[FILE]).read_bytes() if FILE in os.environ else None
        profile = ClientConfigProfile.load(
            os.environ.get(PROFILE),
            config_source=file,
            disable_file=file is None,
            config_file_strict=file is not None,
        )
        found = profile.to_client_connect_config()
    except (OSError, RuntimeError, ValueError) as error:
        raise InvalidConnection(f"TEMPORAL_…: {error}") from error
    given = {"target_host": settings.temporal_address, "namespace": settings.temporal_namespace}
    found |= {name: value for name, value in given.items() if value is not None}  # type: ignore[typeddict-item]
    return Connection(found, settings.keys, bool(settings.otlp_endpoint))
