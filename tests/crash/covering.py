"""Few seeds in place of many: those that show between them all that the many show."""

from collections.abc import Callable, Collection, Hashable, Iterable


def covering(seeds: Iterable[int], traits: Callable[[int], Collection[Hashable]]) -> list[int]:
    """Each time the seed whose traits add the most to those that are shown; of equals the first."""
    shows = {seed: set(traits(seed)) for seed in seeds}
    missing = set().union(*shows.values())
    chosen: list[int] = []
    while missing:
        chosen.append(max(shows, key=lambda seed: (len(shows[seed] & missing), -seed)))
        missing -= shows[chosen[-1]]
    return chosen
