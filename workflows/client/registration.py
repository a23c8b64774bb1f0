"""Tells Temporal by which attributes workflows are found, where it has to be told."""

import logging
from datetime import timedelta

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from ..core import search

log = logging.getLogger(__name__)

WITHIN = timedelta(seconds=10)


async def register(client: Client) -> None:
    """Makes the search attributes that the namespace lacks. Where we may not, as in Temporal Cloud, the log
    says what to do; until then workflows are started without."""
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    request = AddSearchAttributesRequest(
        namespace=client.namespace, search_attributes={key.name: keyword for key in search.KEYS}
    )
    try:
        await client.operator_service.add_search_attributes(request, timeout=WITHIN)
    except RPCError as error:
        if error.status is RPCStatusCode.ALREADY_EXISTS:
            return
        log.warning(
            "Temporal lets nobody search for operations before these attributes are registered, as "
            "docs/operating/temporal.md says: %s (%s)",
            ", ".join(key.name for key in search.KEYS),
            error.message,
        )
