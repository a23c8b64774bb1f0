"""Where the embedded stack keeps its things: one data directory, the ports and the keys that it remembers."""

import fcntl
import os
import secrets
import socket
from pathlib import Path
from typing import Literal, TextIO, get_args

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import BaseModel, ConfigDict, Field

LOOPBACK = "127.0.0.1"
ORGANIZATION = "org_acme"
NAMESPACE = "default"

Part = Literal["temporal", "stripe", "mail", "api", "worker"]
PARTS: tuple[Part, ...] = ("temporal", "stripe", "mail", "api", "worker")

PortName = Literal["temporal", "temporal_ui", "stripe", "smtp", "mail", "api", "figures", "worker"]
PORTS: tuple[PortName, ...] = get_args(PortName)

Role = Literal["billing_admin", "controller", "legal", "finance", "auditor"]


class ExamplePerson(BaseModel):
    """Somebody of the example organization, with the key that they call the API with."""

    person: str
    name: str
    email: str
    api_key: str


def _key() -> str:
    """A key as the product makes them: `pk_<prefix>_<secret>`."""
    return f"pk_{secrets.token_hex(6)}_{secrets.token_hex(32)}"


def _people() -> dict[Role, ExamplePerson]:
    names: dict[Role, str] = {
        "billing_admin": "Bea Billing",
        "controller": "Cora Controller",
        "legal": "Lee Legal",
        "finance": "Finn Finance",
        "auditor": "Ada Auditor",
    }
    return {
        role: ExamplePerson(
            person=f"per_{role}",
            name=name,
            email=f"{name.split()[0].lower()}@plixo.example",
            api_key=_key(),
        )
        for role, name in names.items()
    }


class Memory(BaseModel):
    """What a data directory must remember for the stack to come up again as it was."""

    model_config = ConfigDict(extra="forbid")

    ports: dict[PortName, int] = Field(default_factory=dict)
    stripe_api_key: str = Field(default_factory=lambda: f"sk_test_{secrets.token_hex(16)}")
    webhook_secret: str = Field(default_factory=lambda: f"whsec_{secrets.token_hex(16)}")
    people: dict[Role, ExamplePerson] = Field(default_factory=_people)


class DataDirectoryInUse(Exception):
    """Another stack runs on the same data directory."""


class Places:
    """One data directory, locked for as long as this object lives and isn't closed."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.logs = self.root / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)  # there are keys in it, and people's data
        self._lock = self._locked(self.root / "lock")
        self._memory_file = self.root / "sandbox.json"
        self.memory = self._remember()
        self.ports = self._reserve()

    def _locked(self, file: Path) -> TextIO:
        lock = file.open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            pid = lock.read().strip()
            lock.close()
            raise DataDirectoryInUse(
                f"{self.root} is in use by the stack with pid {pid}; stop it, or name another --data-dir"
            ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        return lock

    def _remember(self) -> Memory:
        known = self._memory_file.exists()
        memory = Memory.model_validate_json(self._memory_file.read_bytes()) if known else Memory()
        write_whole(self._memory_file, memory.model_dump_json(indent=2))
        return memory

    def _reserve(self) -> dict[PortName, int]:
        """The ports of this time. A remembered one that somebody else has now is remembered all the same:
        what leads to it, as the links in mails do, works again when it is free."""
        ports = reserve_ports(self.memory.ports)
        missing = {name: port for name, port in ports.items() if name not in self.memory.ports}
        if missing:
            self.memory.ports |= missing
            write_whole(self._memory_file, self.memory.model_dump_json(indent=2))
        return ports

    @property
    def taken(self) -> dict[PortName, int]:
        """Remembered ports that somebody else has now."""
        return {name: port for name, port in self.memory.ports.items() if self.ports[name] != port}

    def close(self) -> None:
        self._lock.close()

    def file(self, name: str) -> Path:
        return self.root / name

    def address(self, port: PortName) -> str:
        return f"{LOOPBACK}:{self.ports[port]}"

    def url(self, port: PortName) -> str:
        return f"http://{self.address(port)}"

    def _signing_key(self) -> Path:
        """The file of the key that roots of evidence are signed with, made once."""
        file = self.file("signing.pem")
        if not file.exists():
            key = Ed25519PrivateKey.generate()
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            write_whole(file, pem.decode())
        return file

    @property
    def env(self) -> dict[str, str]:
        """The settings that any part of the product needs to join this stack."""
        return {
            "PLIXO_DATABASE_URL": f"sqlite:///{self.file('plixo.db')}",
            "TEMPORAL_ADDRESS": self.address("temporal"),
            "TEMPORAL_NAMESPACE": NAMESPACE,
            "PLIXO_SIGNING_KEY_FILE": str(self._signing_key()),
            "PLIXO_STRIPE_API_KEY": self.memory.stripe_api_key,
            "PLIXO_STRIPE_API_BASE": self.url("stripe"),
            "PLIXO_STRIPE_WEBHOOK_SECRET": self.memory.webhook_secret,
            "PLIXO_SMTP_URL": f"smtp://{self.address('smtp')}",
            "PLIXO_PUBLIC_URL": self.url("api"),
            "PLIXO_API_HOST": LOOPBACK,
            "PLIXO_API_PORT": str(self.ports["api"]),
            # For trying out loads, by a handful of people.
            "PLIXO_OPERATIONS_PER_PERSON": "100000",
            "PLIXO_OPERATIONS_PER_ORGANIZATION": "100000",
            "PLIXO_API_METRICS_PORT": str(self.ports["figures"]),
        }


KEPT_FROM, KEPT_TO = 20_000, 32_000
"""Among these a stack's ports are chosen: below those that the system gives to whoever wants just any, which
would take one while the stack is down."""


def reserve_ports(wanted: dict[PortName, int]) -> dict[PortName, int]:
    """A loopback port for every name: the wanted one if it is free, or else any free one."""
    held: list[socket.socket] = []
    ports: dict[PortName, int] = {}
    try:
        for name in PORTS:
            listener = _bound(wanted[name]) if name in wanted else None
            while listener is None:
                port = KEPT_FROM + secrets.randbelow(KEPT_TO - KEPT_FROM)
                listener = None if port in wanted.values() else _bound(port)
            held.append(listener)
            ports[name] = listener.getsockname()[1]
    finally:
        for listener in held:
            listener.close()
    return ports


def _bound(port: int) -> socket.socket | None:
    listener = socket.socket()
    # A port whose last connections are still in TIME_WAIT is free for a server that comes back.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(1)  # two that only bind may both have the same one
    except OSError:
        listener.close()
        return None
    return listener


def write_whole(file: Path, text: str) -> None:
    """A reader sees the old file or the whole new one. For the owner's eyes alone: it holds keys."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(part, file)
