"""`/plans/:code/metadata`: a plan's metadata alone."""

from __future__ import annotations

from typing import Any, cast

from fastapi import Request, Response

from laguna.catalog import service
from laguna.catalog.schemas import MetadataReply
from laguna.kernel.errors import missing_root
from laguna.kernel.http import Scoped, api_router
from laguna.kernel.inputs import read_object
from laguna.kernel.outputs import json_response, to_json
from laguna.models import Plan

router = api_router("plans")
METADATA = "/plans/{code:segment}/metadata"
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["metadata"],
                    "properties": {
                        "metadata": {"type": "object", "additionalProperties": {"type": ["string", "null"]}}
                    },
                }
            }
        },
    }
}


async def _given(request: Request) -> dict[str, Any]:
    metadata = (await read_object(request)).get("metadata")
    if not isinstance(metadata, dict) or not metadata:
        raise missing_root("metadata")
    return cast(dict[str, Any], metadata)


def _answer(plan: Plan) -> Response:
    return json_response(to_json(MetadataReply(metadata=plan.plan_metadata)))


@router.post(METADATA, response_model=MetadataReply, openapi_extra=BODY)
async def replace_metadata(request: Request, context: Scoped, code: str) -> Response:
    return _answer(await service.set_metadata(context, code, await _given(request), merge=False))


@router.patch(METADATA, response_model=MetadataReply, openapi_extra=BODY)
async def merge_metadata(request: Request, context: Scoped, code: str) -> Response:
    return _answer(await service.set_metadata(context, code, await _given(request), merge=True))


@router.delete(METADATA, response_model=MetadataReply)
async def clear_metadata(context: Scoped, code: str) -> Response:
    return _answer(await service.remove_metadata(context, code))


@router.delete(METADATA + "/{key:segment}", response_model=MetadataReply)
async def remove_metadata_key(context: Scoped, code: str, key: str) -> Response:
    return _answer(await service.remove_metadata(context, code, key))
