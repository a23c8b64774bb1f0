from billing.plan_changes.items.others import (
    ItemChange,
    ItemFacts,
    OtherItem,
    in_order,
    in_words,
    item_changes,
    restored,
)


def an_item(price: str, quantity: int | None = 1, add_on: str | None = None, **more: object) -> OtherItem:
    given = {"price": price, "quantity": quantity, "name": price.title(), "add_on": add_on}
    return OtherItem.model_validate(given | more)


def held(*items: OtherItem) -> list[ItemFacts]:
    more = {"interval": "month", "interval_count": 1, "unit_amount": 100}
    return [ItemFacts.model_validate({**dict(one), **more, "item": f"si_{one.price}"}) for one in items]


SUPPORT, STORAGE, USAGE = (
    an_item("support", 2, "support"),
    an_item("storage", 1, "storage"),
    an_item("u", None),
)


def test_an_item_is_its_price_and_quantity_whatever_it_is_called():
    assert an_item("a", 2) == an_item("a", 2, "slug", name="Renamed")
    assert len({an_item("a", 2), an_item("a", 2, name="Renamed"), an_item("a", 3), an_item("b", 2)}) == 3
    assert held(SUPPORT)[0] == SUPPORT
    assert in_order([USAGE, SUPPORT, STORAGE]) == in_order(held(STORAGE, USAGE, SUPPORT))


def test_what_stays_is_no_change():
    assert item_changes(held(SUPPORT, USAGE), [USAGE, SUPPORT]) == ()


def test_what_comes_goes_and_changes_is_said_of_its_item():
    more = an_item("support", 5, "support")
    changes = item_changes(held(SUPPORT, STORAGE, USAGE), [USAGE, more, an_item("new", 4, "new")])
    assert changes == (
        ItemChange(item="si_support", was="support", price="support", quantity=5),
        ItemChange(item="si_storage", was="storage", price="storage", quantity=0),
        ItemChange(price="new", quantity=4),
    )


def test_an_add_on_at_another_price_keeps_its_item():
    yearly = an_item("support_year", 2, "support")
    assert item_changes(held(SUPPORT), [yearly]) == (
        ItemChange(item="si_support", was="support", price="support_year", quantity=2),
    )


def test_items_of_no_add_on_are_never_taken_for_one_another():
    assert item_changes(held(an_item("a", 2)), [an_item("b", 2)]) == (
        ItemChange(item="si_a", was="a", price="a", quantity=0),
        ItemChange(price="b", quantity=2),
    )


def test_only_what_a_change_touched_is_taken_back():
    before = [SUPPORT, USAGE]
    changes = item_changes(held(*before), [USAGE, an_item("storage", 4, "storage")])
    by_somebody = an_item("seminar", 7)
    now = [USAGE, an_item("storage", 4, "storage"), by_somebody]
    assert restored(now, before, changes) == in_order([SUPPORT, USAGE, by_somebody])


def test_the_words_of_items_stay_on_their_line():
    assert in_words([SUPPORT, an_item("u", None, name="Ex\nports")]) == "2 × Support, Ex ports by usage"
    assert in_words([]) == ""
