"""An incident as a mail tells of it."""

from pydantic import AwareDatetime

from billing.incidents.states import Component, IncidentState
from billing.incidents.words import NAMES, affected, headline

from .results import OneLine, Shown


class IncidentTold(Shown):
    """A degraded component; `recovered_at` is since when it works again."""

    incident: OneLine | None = None
    component: Component | None = None
    opened_at: AwareDatetime | None = None
    first_fault_at: AwareDatetime | None = None
    recovered_at: AwareDatetime | None = None
    cause: OneLine | None = None

    @property
    def name(self) -> str:
        return NAMES[self.component] if self.component else "A part of Plixo"

    @property
    def headline(self) -> str:
        if self.component:
            return headline(self.component, self._state, self.cause)
        return f"{self.name} {'works again' if self.recovered_at else 'does not work'}."

    @property
    def meaning(self) -> list[str]:
        """What it means for people's work, as far as it is not as usual; each once."""
        if self.component is None:
            return []
        return list(dict.fromkeys(affected(self.component, self._state, self.cause).values()))

    @property
    def _state(self) -> IncidentState:
        return IncidentState.of(self.recovered_at, None)
