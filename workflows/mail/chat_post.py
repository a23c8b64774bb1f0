"""A message to an organization's chat."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.mail.chat import ChatPosts
    from billing.mail.chat import ChatPost

from ..core import ids, options


@workflow.defn(name=ids.CHAT_POST)
class ChatPostWorkflow:
    """Tries for days, as a mail."""

    @workflow.run
    async def run(self, post: ChatPost) -> bool:
        return await workflow.execute_activity_method(ChatPosts.post_to_chat, post, **options.MAIL)
