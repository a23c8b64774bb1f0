"""What somebody is asked to decide is posted to the organization's chat, if it takes several tries."""

from typing import Any

from fastapi import FastAPI, Request, Response

from db.tables import ChatWebhook

from ...support.builders import NOW, store
from ...support.house import House, served, until


async def test_a_request_is_posted_once_after_the_chat_was_in_trouble(home: House) -> None:
    acme = await home.shop.tenant(home.database, "growth")
    answers, got = [503, 200], list[Any]()
    app = FastAPI()

    @app.post("/hook")
    async def take(request: Request) -> Response:
        got.append(await request.json())
        return Response(status_code=answers.pop(0))

    async with served(app) as address:
        url = f"{address}/hook"
        row = ChatWebhook(id="chw_1", organization_id=acme.id, kind="slack", url=url, created_at=NOW)
        await store(home.database, row)
        operation = await home.ask(acme, plan="scale", seats=8)
        approval = await home.reviewed(acme, operation)

        async def posted() -> bool:
            return not answers

        await until(posted, lambda: f"the chat has got {got}")
    assert len(got) == 2
    assert f"/console/approvals/{approval['id']}|" in got[-1]["blocks"][-1]["text"]["text"]
