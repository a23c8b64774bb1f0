"""Settings from the environment (or `.env`), validated at start: every wrong one is reported at once."""

import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from billing.core.errors import InvalidRequest
from billing.core.keys import Keys
from billing.core.operations import Role
from billing.evidence.seals.signing import FileSigner, Signer
from billing.mail.server import is_loopback, parse_mail_server
from billing.policy.policy import InvalidPolicy, Policy, policy_from_toml
from billing.portal.networks import parse_network

from .logs import LogFormat

_STRIPE_KEY = re.compile(r"(sk|rk)_(live|test)_\w+", re.ASCII)
QUEUES = ("plixo", "stripe")
"""Of Temporal's, as `workflows.core.ids` names them."""
DEFAULT_POLICY = Path(__file__).resolve().parent.parent / "policy.toml"


def _starts(*prefixes: str, example: str) -> Any:
    def check(value: str) -> str:
        if value and not value.startswith(prefixes):
            raise ValueError(f"must start with {' or '.join(prefixes)}, for example {example}")
        return value

    return AfterValidator(check)


def _mail_server(value: str) -> str:
    parse_mail_server(value)
    return value


def _stripe_key(value: SecretStr) -> SecretStr:
    if not _STRIPE_KEY.fullmatch(value.get_secret_value()):
        raise ValueError(
            "must be a secret or restricted key of Stripe's: sk_live_…, sk_test_…, rk_live_… or rk_test_…"
        )
    return value


def _address(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError("must be host:port, for example 127.0.0.1:7233")
    return value


def _keys(value: SecretStr) -> SecretStr:
    try:
        Keys.parse(value.get_secret_value())
    except InvalidRequest as error:
        raise ValueError(error.message) from None
    return value


def _signing_key(value: Path) -> Path:
    try:
        FileSigner(value.read_bytes())
    except OSError as error:
        raise ValueError(f"{value} can't be read ({error.strerror})") from None
    except InvalidRequest as error:
        raise ValueError(f"{value}: {error.message}") from None
    return value


def _signing_secrets(value: SecretStr) -> SecretStr:
    if not all(secret.startswith("whsec_") for secret in _separated(value)):
        raise ValueError("must be whsec_…; during a rotation several, separated by commas")
    return value


def _separated(value: SecretStr) -> tuple[str, ...]:
    return _parts(value.get_secret_value())


def _parts(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _proxies(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """The networks in their one spelling. Whoever is trusted says who the visitor is: never everybody."""
    networks, wrong = [], []
    for part in _parts(value) if isinstance(value, str) else value:
        try:
            network = parse_network(part)
        except InvalidRequest as error:
            wrong.append(f"{part!r}: {error.message}")
            continue
        if network.prefixlen == 0:
            wrong.append(f"{part!r}: all addresses; then anybody could claim to be anybody, name proxies")
        networks.append(str(network))
    if wrong:
        raise ValueError("; ".join(wrong))
    return tuple(networks)


def _issuer(value: str) -> str:
    parts = urlsplit(value)
    encrypted = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    if not encrypted or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(
            "must be the provider's issuer as it spells it, for example https://login.example.com"
        )
    return value


def _ui_origin(value: object) -> object:
    """Unset is what Compose passes as nothing."""
    if not isinstance(value, str) or not value.strip():
        return None
    parts = urlsplit(origin := value.strip().rstrip("/"))
    encrypted = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    if not encrypted or origin != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        raise ValueError("must be the origin of Temporal's UI, for example https://temporal.example.com")
    return origin.lower()


def _with_issuer(value: str | None, others: ValidationInfo) -> str | None:
    if not value and others.data.get("oidc_issuer") is not None:
        raise ValueError("is required with PLIXO_OIDC_ISSUER: the id of the client that the provider knows")
    return value


def _scopes(value: str) -> str:
    if "openid" not in value.split():
        raise ValueError("must name the scope openid, for example openid email profile")
    return value


def _roles(value: str | dict[str, Role]) -> dict[str, Role]:
    if not isinstance(value, str):
        return value
    roles, wrong = {}, []
    for part in _parts(value):
        theirs, _, ours = (side.strip() for side in part.rpartition("="))
        if theirs and ours in set(Role):
            roles[theirs] = Role(ours)
        else:
            wrong.append(repr(part))
    if wrong:
        raise ValueError(
            f"{', '.join(wrong)}: must be a name of the claim, =, and one of {', '.join(Role)}; "
            "separated by commas"
        )
    return roles


def _with_claim(value: dict[str, Role], others: ValidationInfo) -> dict[str, Role]:
    if bool(value) != bool(others.data.get("oidc_roles_claim")):
        raise ValueError("and PLIXO_OIDC_ROLES_CLAIM need each other: set both, or neither")
    return value


def _queues(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """What Compose passes as nothing is unset."""
    parts = _parts(value) if isinstance(value, str) else value
    if wrong := [repr(part) for part in parts if part not in QUEUES]:
        raise ValueError(f"{', '.join(wrong)}: must be of {', '.join(QUEUES)}, separated by commas")
    return parts or QUEUES


DatabaseUrl = Annotated[str, _starts("sqlite", "postgresql", example="postgresql://plixo@db/plixo")]
HttpUrl = Annotated[str, _starts("http://", "https://", example="https://billing.example.com")]


class Settings(BaseSettings):
    """The process's surroundings; business rules are in the policy file instead."""

    model_config = SettingsConfigDict(
        env_prefix="PLIXO_", env_file=".env", extra="ignore", populate_by_name=True
    )

    database_url: DatabaseUrl = "sqlite:///plixo.db"
    temporal_address: Annotated[str, AfterValidator(_address)] | None = Field(
        default=None, validation_alias="TEMPORAL_ADDRESS"
    )
    temporal_namespace: str | None = Field(default=None, min_length=1, validation_alias="TEMPORAL_NAMESPACE")
    """Both as Temporal's own tools call them; `workflows.client.connection` reads the others of theirs."""
    secret_keys: Annotated[SecretStr, AfterValidator(_keys)] | None = None
    """Encrypt what Temporal keeps (`workflows.client.codec`), mark decisions (`billing.approvals.marks`), and
    hash what lets people in (`billing.core.keys`); None: no such thing, plain hashes."""
    signing_key_file: Annotated[Path, AfterValidator(_signing_key)] | None = None
    """The private key by which the worker signs each day's root (`billing.evidence.seals`); None: there are
    no roots."""
    temporal_ui_origin: Annotated[str | None, BeforeValidator(_ui_origin)] = None
    """Where Temporal's UI may ask from for what people may read there; None: nowhere."""
    stripe_api_key: Annotated[SecretStr, AfterValidator(_stripe_key)]
    stripe_api_base: HttpUrl = "https://api.stripe.com"
    stripe_webhook_secret: Annotated[SecretStr, AfterValidator(_signing_secrets)] | None = None
    """Signs Stripe's webhooks, none of which are taken when unset; several, separated by commas, while the
    secret is rotated."""
    smtp_url: Annotated[
        str,
        _starts("smtp://", "smtps://", example="smtp://127.0.0.1:1025"),
        AfterValidator(_mail_server),
    ] = "smtp://127.0.0.1:1025"
    """TLS is demanded, except on this machine itself, unless it ends with ?tls=no."""
    mail_from: str = "Plixo Billing <billing@plixo.example>"
    alert_webhook_url: HttpUrl | None = None
    public_url: HttpUrl = "http://127.0.0.1:8000"
    policy_file: Path = DEFAULT_POLICY
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8000, ge=0, le=65535)
    trusted_proxies: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_proxies)] = ()
    """Networks of the proxies whose X-Forwarded-For is believed; separated by commas."""
    sign_in_by_mail: bool | None = None
    """Whether people sign in to the console by a link that they are mailed; unless it is set, where they
    can't sign in by OpenID Connect."""
    oidc_issuer: Annotated[str, AfterValidator(_issuer)] | None = None
    """The provider of single sign-on, found by discovery."""
    oidc_client_id: Annotated[str | None, AfterValidator(_with_issuer)] = Field(
        default=None, validate_default=True
    )
    oidc_client_secret: SecretStr | None = None
    """None: a public client, which PKCE alone protects."""
    oidc_scopes: Annotated[str, AfterValidator(_scopes)] = "openid email profile"
    oidc_audience: str | None = Field(default=None, min_length=1)
    """What access tokens for the API are for; unless it is set, our client id."""
    oidc_roles_claim: str | None = Field(default=None, min_length=1)
    """The claim without whose names nobody has a role; None: roles are those of the records."""
    oidc_roles: Annotated[dict[str, Role], NoDecode, BeforeValidator(_roles), AfterValidator(_with_claim)] = (
        Field(default_factory=dict, validate_default=True)
    )
    """Our role by each name of that claim."""
    operations_per_person: int = Field(default=30, ge=1)
    operations_per_organization: int = Field(default=60, ge=1)
    """So many operations may be begun within a minute."""
    quotes_per_person: int = Field(default=30, ge=1)
    quotes_per_organization: int = Field(default=60, ge=1)
    """So many quotes may be asked for within a minute; each is some reads from Stripe."""
    delegations_per_person: int = Field(default=20, ge=1)
    """So many delegations may be given within an hour: each may send a mail."""
    release: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None
    """What this release is called where Temporal shares work out by releases; None: it does not."""
    queues: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_queues)] = QUEUES
    """Those of Temporal's that the worker serves; separated by commas."""
    log_format: LogFormat = LogFormat.TEXT
    """`json` for what collects logs."""
    otlp_endpoint: HttpUrl | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """Where traces are sent, as OpenTelemetry's own tools call it; None: nothing is traced."""
    health_port: int | None = Field(default=None, ge=0, le=65535)
    """Where the worker answers /healthz; nowhere when unset."""
    metrics_host: str = "127.0.0.1"
    """The address that both processes serve their figures for Prometheus on."""
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Where the Temporal SDK of the worker serves its metrics to Prometheus; nowhere when unset."""
    api_metrics_port: int | None = Field(default=None, ge=0, le=65535)
    """Where the API serves /metrics to Prometheus; nowhere when unset."""

    @property
    def by_mail(self) -> bool:
        """Whether people sign in by a link that they are mailed."""
        return self.oidc_issuer is None if self.sign_in_by_mail is None else self.sign_in_by_mail

    @property
    def keys(self) -> Keys | None:
        """The secret keys of the process."""
        return Keys.parse(self.secret_keys.get_secret_value()) if self.secret_keys else None

    @property
    def signer(self) -> Signer | None:
        """Who signs each day's root."""
        return FileSigner(self.signing_key_file.read_bytes()) if self.signing_key_file else None

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Every secret that a webhook may be signed with."""
        return _separated(self.stripe_webhook_secret) if self.stripe_webhook_secret else ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed, and probably not meant; to be logged at the start."""
        found = []
        encrypted = self.public_url.startswith("https://")
        if (encrypted or not is_loopback(self.api_host)) and not self.trusted_proxies:
            found.append(
                "PLIXO_TRUSTED_PROXIES is not set: behind a proxy every visitor then has the proxy's "
                "address, in limits, blocked networks and audit logs alike. Name the proxies' addresses."
            )
        if not encrypted and not is_loopback(urlsplit(self.public_url).hostname or ""):
            found.append(
                "PLIXO_PUBLIC_URL is not https: browsers keep no session without TLS, except on this machine "
                "itself, so nobody can sign in to the console."
            )
        if self.livemode and not self.secret_keys:
            found.append(
                "PLIXO_SECRET_KEYS is not set: whoever reaches Temporal can read what people wrote and start "
                "workflows, and whoever writes to the database can approve and sign in as anybody. Set a key."
            )
        return tuple(found)

    @property
    def livemode(self) -> bool:
        """Whether the Stripe key is one for real money."""
        return self.stripe_api_key.get_secret_value().startswith(("sk_live_", "rk_live_"))


class InvalidSettings(Exception):
    """Every wrong setting and every wrong line of the policy, one a line."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def load(**overrides: Any) -> tuple[Settings, Policy]:
    """Settings and policy; raises `InvalidSettings` that names everything wrong with either."""
    problems: list[str] = []
    settings: Settings | None = None
    policy: Policy | None = None
    try:
        settings = Settings(**overrides)
        policy_file = settings.policy_file
    except ValidationError as error:
        bad = {str(e["loc"][0]) for e in error.errors()}
        problems += [f"{variable(str(e['loc'][0]))}: {_say(e)}" for e in error.errors()]
        policy_file = DEFAULT_POLICY if "policy_file" in bad else _policy_file(overrides)
    try:
        # Windows' editors put a byte order mark before UTF-8.
        policy = policy_from_toml(policy_file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        problems.append(
            f"PLIXO_POLICY_FILE: {policy_file} can't be read ({error.strerror}); name a TOML file"
        )
    except UnicodeDecodeError as error:
        problems.append(f"{policy_file.name}: is not UTF-8 (byte {error.start}); save it as UTF-8")
    except InvalidPolicy as error:
        problems += [f"{policy_file.name}: {problem}" for problem in error.errors]
    if problems or settings is None or policy is None:
        raise InvalidSettings(problems)
    return settings, policy


def variable(field: str) -> str:
    """What a setting is called in the environment."""
    found = Settings.model_fields.get(field)
    alias = found.validation_alias if found is not None else field
    return alias if isinstance(alias, str) else f"PLIXO_{field.upper()}"


def _say(error: Any) -> str:
    if error["type"] == "missing":
        return "is not set; it is required"
    return str(error["msg"]).removeprefix("Value error, ")


class _PolicyFileOnly(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="PLIXO_", env_file=".env", extra="ignore")
    policy_file: Path = DEFAULT_POLICY


def _policy_file(overrides: dict[str, Any]) -> Path:
    return _PolicyFileOnly(**{k: v for k, v in overrides.items() if k == "policy_file"}).policy_file
