"""How pages put into words what the API answers."""

import pytest

from api.console.frame.filters import PersonAsked, whom


@pytest.mark.parametrize(
    ("people", "needs", "said"),
    [
        ([("controller", "Cora"), ("legal", "Lee")], "any", "Cora or Lee"),
        ([("controller", "Cora"), ("legal", "Lee")], "all", "Cora and Lee"),
        ([("controller", "Cora"), ("legal", "Lee"), ("controller", "Finn")], "all", "Cora or Finn, and Lee"),
        ([("controller", "Cora"), ("legal", "Cora")], "any", "Cora"),
        ([("controller", "Cora"), ("controller", "Cora"), ("legal", "Lee")], "all", "Cora and Lee"),
        ([("controller", "Cora")], "all", "Cora and Legal"),
        ([], "all", "Controller and Legal"),
    ],
)
def test_a_delegate_is_one_of_those_who_are_asked(
    people: list[tuple[str, str]], needs: str, said: str
) -> None:
    assert whom([PersonAsked(*one) for one in people], ("controller", "legal"), needs) == said
