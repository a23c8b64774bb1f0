"""Whether an organization's own words for a mail can be used: looked at when they are saved.

Jinja's sandbox keeps templates from Python, but not from hanging or eating memory. So only what can do
neither is let through: no loops, no calls, no arithmetic, nothing that multiplies what it is given.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Literal, NamedTuple, TypeGuard

from jinja2 import Template, TemplateSyntaxError, nodes

from .customer_mail_text import LONGEST_SUBJECT, SPOILT, VARIABLES, Name, environment
from .links import in_html, in_text
from .template_examples import CASES, LINK, OPT_OUT, SO, example

Part = Literal["subject", "text", "html"]
Code = Literal[
    "template_malformed",
    "template_unsupported",
    "template_variable_unknown",
    "template_too_large",
    "template_subject_unfit",
    "template_link_missing",
    "template_opt_out_missing",
    "template_link_foreign",
    "template_link_altered",
    "template_fails",
]
LARGEST_PART = 64 * 1024
"""Bytes in UTF-8."""
_LINKS = {"link": LINK, "opt_out": OPT_OUT}
DEEPEST = 40
"""How many things may stand inside of each other; people need about ten."""
MAX_NODES = 2000
"""How many variables, conditions and pieces of text a part may have: twenty times what a mail needs."""
MAX_FAULTS = 20
"""How many are told at once."""

FILTERS = ("abs", "capitalize", "default", "escape", "lower", "title", "trim", "truncate", "upper")
TESTS = ("defined", "none")

_ALLOWED = (
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.If,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Const,
    nodes.Concat,
    nodes.Scope,  # around what is refused by its own name
)
_CALLED: Mapping[type[nodes.Node], str] = {
    nodes.For: "{% for %}",
    nodes.Assign: "{% set %}",
    nodes.AssignBlock: "{% set %}",
    nodes.Macro: "{% macro %}",
    nodes.CallBlock: "{% call %}",
    nodes.FilterBlock: "{% filter %}",
    nodes.With: "{% with %}",
    nodes.Block: "{% block %}",
    nodes.Extends: "{% extends %}",
    nodes.Include: "{% include %}",
    nodes.Import: "{% import %}",
    nodes.FromImport: "{% from %}",
    nodes.ScopedEvalContextModifier: "{% autoescape %}",
    nodes.Call: "calling something with ()",
    nodes.Getattr: "an attribute after a dot",
    nodes.Getitem: "an item in []",
    nodes.List: "a list",
    nodes.Tuple: "a list with commas",
    nodes.Dict: "a dictionary",
}


class Fault(NamedTuple):
    """What is wrong with one part of a template, from which of its lines on, and what to do about it."""

    code: Code
    field: Part
    line: int | None
    problem: str
    remedy: str

    @property
    def message(self) -> str:
        where = f"{self.field}, line {self.line}" if self.line else self.field
        return f"{where}: {self.problem}. {self.remedy}"


def validate(name: Name, subject: str, text: str, html: str | None) -> list[Fault]:
    """What is wrong with a template, by part and line, at most MAX_FAULTS; with nothing it can be used.

    It is rendered only when it is made of nothing but what may be in a template.
    """
    parts: list[tuple[Part, str]] = [("subject", subject), ("text", text)]
    if html is not None:
        parts.append(("html", html))
    written = (fault for field, source in parts for fault in _written(name, field, source))
    faults = list(islice(written, MAX_FAULTS))
    faults = faults or [fault for field, source in parts for fault in _rendered(name, field, source)]
    return faults or [fault for field, source in parts if (fault := _of_links(field, source))]


def _written(name: Name, field: Part, source: str) -> Iterator[Fault]:
    """What can be seen without rendering."""
    size = len(source.encode("utf-8", "surrogatepass"))
    if size > LARGEST_PART:
        problem = f"it has {size} bytes, more than {LARGEST_PART}"
        yield Fault("template_too_large", field, None, problem, "Shorten it.")
        return
    if field == "subject" and len(source.strip().splitlines()) != 1:
        problem = "the subject must be one non-empty line"
        yield Fault("template_subject_unfit", field, None, problem, "Write it on one line.")
        return
    try:
        line = _too_many_brackets(source)
        if line:
            yield _too_deep(field, line)
            return
        tree = environment(html=field == "html").parse(source)
    except TemplateSyntaxError as error:
        problem = f"this can't be parsed: {_short(error.message or 'no template').rstrip('.')}"
        yield Fault("template_malformed", field, error.lineno, problem, "Correct the syntax.")
        return
    except RecursionError:
        yield _too_deep(field, None)
        return
    except SPOILT:
        problem = "this can't be parsed"
        yield Fault("template_malformed", field, None, problem, "Look for a number that is too long.")
        return
    yield from _of_nodes(name, field, tree)


def _too_many_brackets(source: str) -> int | None:
    """Their line. They are not in the tree, but reading them takes a stack as deep as they are."""
    open_ = 0
    for line, _, token in environment(html=False).lex(source):
        open_ += (token == "(") - (token == ")")
        if open_ > DEEPEST:
            return line
    return None


def _of_nodes(name: Name, field: Part, tree: nodes.Template) -> Iterator[Fault]:
    """In the order of the lines. Of what is not allowed nothing further inside is looked at."""
    waiting = [(node, 1) for node in reversed(list(tree.iter_child_nodes()))]
    seen = 0
    while waiting:  # no recursion: how deep it goes is up to whoever wrote it
        node, depth = waiting.pop()
        if depth > DEEPEST:
            yield _too_deep(field, node.lineno)
            return
        seen += 1
        if seen > MAX_NODES:
            problem = f"there are more than {MAX_NODES} variables, conditions and texts"
            yield Fault("template_too_large", field, node.lineno, problem, "Make it simpler.")
            return
        fault = _of_node(name, field, node)
        if fault:
            yield fault
            continue
        waiting += [(inner, depth + 1) for inner in reversed(list(node.iter_child_nodes()))]


def _of_node(name: Name, field: Part, node: nodes.Node) -> Fault | None:
    match node:
        case nodes.Name():
            return _of_variable(name, field, node)
        case nodes.Filter():
            if node.name not in FILTERS:
                return _unsupported(field, node, f"the filter {node.name}", "filters", FILTERS)
            if not _plain_arguments(node):
                what = f"anything but text and numbers in parentheses after {node.name}"
                return _unsupported(field, node, what)
        case nodes.Test():
            if node.name not in TESTS:
                return _unsupported(field, node, f"the test {node.name}", "tests", TESTS)
        case nodes.Neg(node=nodes.Const()) | nodes.Keyword(value=nodes.Const()):
            pass
        case nodes.Neg() | nodes.Pos() | nodes.Add() | nodes.Sub() | nodes.Mul() | nodes.Pow():
            return _unsupported(field, node, "arithmetic")
        case nodes.Div() | nodes.FloorDiv() | nodes.Mod():
            return _unsupported(field, node, "arithmetic")
        case _ if not isinstance(node, _ALLOWED):
            return _unsupported(field, node, _CALLED.get(type(node), type(node).__name__))
    return None


def _plain_arguments(node: nodes.Filter) -> bool:
    """What is known when the template is saved can't go wrong later."""
    given = [*node.args, *(keyword.value for keyword in node.kwargs)]
    named = node.name == "default" and all(isinstance(one, nodes.Const | nodes.Name) for one in given)
    plain = named or all(isinstance(one, nodes.Const) for one in given)
    return plain and node.dyn_args is None and node.dyn_kwargs is None


def _of_variable(name: Name, field: Part, node: nodes.Name) -> Fault | None:
    known = [one for one in VARIABLES if one != "opt_out" or name == "reminder"]
    if node.name in known:
        return None
    why = " in this mail" if node.name in VARIABLES else ""
    problem = f"there is no variable {_short(node.name)}{why}"
    remedy = f"Use one of: {', '.join(known)}."
    return Fault("template_variable_unknown", field, node.lineno, problem, remedy)


def _unsupported(
    field: Part, node: nodes.Node, what: str, kind: str | None = None, known: tuple[str, ...] = ()
) -> Fault:
    remedy = f"The {kind} are: {', '.join(known)}." if kind else "Use variables, {% if %} and filters only."
    problem = f"{_short(what)} is not supported in mail templates"
    return Fault("template_unsupported", field, node.lineno, problem, remedy)


def _too_deep(field: Part, line: int | None) -> Fault:
    problem = f"more than {DEEPEST} levels are nested"
    return Fault("template_unsupported", field, line, problem, "Make it simpler.")


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:100]}…"


def _of_links(field: Part, source: str) -> Fault | None:
    """The first link that is not ours, in whatever branch it stands."""
    tree = environment(html=field == "html").parse(source)
    plainly = {id(shown) for output in tree.find_all(nodes.Output) for shown in output.nodes}
    asked = {
        id(node) for if_ in tree.find_all(nodes.If) for node in (if_.test, *if_.test.find_all(nodes.Name))
    }
    for node in tree.find_all(nodes.Name):
        if node.name in _LINKS and id(node) not in plainly | asked:
            problem = f"{node.name} is changed or combined with other text"
            return Fault(
                "template_link_altered", field, node.lineno, problem, "Show it unchanged and on its own."
            )
    look = in_html if field == "html" else in_text
    # A subject is shown in lists and notifications: the link has no place there.
    ours = () if field == "subject" else tuple(_LINKS.values())
    stray = look(_flat(tree), ours, strict=True)
    if stray is None and field == "subject" and any(link in _flat(tree) for link in _LINKS.values()):
        stray = "a link"
    if stray is None:
        return None
    return _foreign(field, stray, _line_with(source, stray))


def _foreign(field: Part, stray: str, line: int | None) -> Fault:
    problem = f"{_short(stray)} is, or could be read as, a link other than Plixo's, or text attached to one"
    remedy = (
        "Use {{ link }} and {{ opt_out }} with spaces around them, mail addresses, and no other addresses, "
        "images or forms."
    )
    return Fault("template_link_foreign", field, line, problem, remedy)


def _flat(tree: nodes.Template) -> str:
    """All that a template can show: each branch after the other, apart, and a letter for each variable."""
    pieces: list[str] = []
    waiting: list[nodes.Node | str] = [tree]
    while waiting:
        match waiting.pop():
            case str(text):
                pieces.append(text)
            case nodes.TemplateData(data=data):
                pieces.append(data)
            case nodes.Name(name=name) if name in _LINKS:
                pieces.append(_LINKS[name])
            case nodes.If() as branch:
                apart: list[nodes.Node | str] = [
                    " ",
                    *branch.body,
                    " ",
                    *branch.elif_,
                    " ",
                    *branch.else_,
                    " ",
                ]
                waiting.extend(reversed(apart))
            case (nodes.Template() | nodes.Output()) as several:
                waiting.extend(reversed(list(several.iter_child_nodes())))
            case nodes.Node() as value:
                consts: list[nodes.Node] = [value, *value.find_all(nodes.Const)]
                pieces.append(" ".join(one.value for one in consts if _is_text(one)) or "x")
    return "".join(pieces)


def _is_text(node: nodes.Node) -> TypeGuard[nodes.Const]:
    return isinstance(node, nodes.Const) and isinstance(node.value, str)


def _line_with(source: str, what: str) -> int | None:
    return next((at for at, row in enumerate(source.splitlines(), 1) if what in row), None)


def _rendered(name: Name, field: Part, source: str) -> Iterator[Fault]:
    """What shows in examples of every kind, once for each thing that is wrong."""
    try:
        template = environment(html=field == "html").from_string(source)
    except SPOILT:
        yield Fault("template_malformed", field, None, "it can't be compiled", "Make it simpler.")
        return
    found: dict[Code, Fault] = {}
    for case in CASES:
        for customer in ("Kunde & Söhne", None):
            so = SO[case] + ("" if customer else " of a customer without a name")
            fault = _in_example(name, field, template, example(name, case, customer=customer), so)
            if fault:
                found.setdefault(fault.code, fault)
    yield from found.values()


def _in_example(
    name: Name, field: Part, template: Template, values: Mapping[str, Any], so: str
) -> Fault | None:
    try:
        made = template.render(values)
    except SPOILT as error:
        problem = f"it can't be rendered for {so}"
        remedy = (
            "Wrap values that can be none (due_date, days_left, when_due) in {% if … %}, use abs on numbers "
            "only, and truncate to at least 3 characters."
        )
        return Fault("template_fails", field, _line_of(error), problem, remedy)
    if field == "subject":
        length = len(made.strip())
        if 0 < length <= LONGEST_SUBJECT and len(made.strip().splitlines()) == 1:
            return None
        problem = f"for {so} the subject has {length} characters, not 1 to {LONGEST_SUBJECT} on one line"
        return Fault("template_subject_unfit", field, None, problem, "Shorten or complete it.")
    if LINK not in made:
        problem = f"for {so} it doesn't show link, which the mail is sent for"
        return Fault("template_link_missing", field, None, problem, "Add {{ link }} unchanged.")
    if name == "reminder" and OPT_OUT not in made:
        problem = f"for {so} it doesn't show opt_out, which lets customers stop reminders"
        return Fault("template_opt_out_missing", field, None, problem, "Add {{ opt_out }} unchanged.")
    if stray := (in_html if field == "html" else in_text)(made, tuple(_LINKS.values()), strict=True):
        return _foreign(field, stray, None)
    return None


def _line_of(error: BaseException) -> int | None:
    """Jinja puts the template's own lines into the traceback, under this name."""
    at, line = error.__traceback__, None
    while at is not None:
        if at.tb_frame.f_code.co_filename == "<template>":
            line = at.tb_lineno
        at = at.tb_next
    return line
