"""From a method's name to the function that answers it: the two services, as gRPC wants them.

Requests and answers are typed by the schema's own descriptors, so a method needs no line of code beside its handler.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from pyrt.cri import runtime_pb2
from pyrt.cri.errors import code_of
from pyrt.errors import PyrtError

log = logging.getLogger(__name__)

Answer: TypeAlias = Message | bytes
"""``bytes`` are an answer that is encoded already."""
Unary: TypeAlias = Callable[[Any], Awaitable[Answer]]
Streaming: TypeAlias = Callable[[Any], AsyncIterator[Answer]]
Handlers: TypeAlias = Mapping[str, Unary | Streaming]
"""By method. A method without a handler is answered with UNIMPLEMENTED."""


def generic_handlers(handlers: Handlers) -> list[grpc.GenericRpcHandler]:
    """Every service of the schema, with those of its methods that have a handler. Raises ``KeyError`` for a handler of
    a method that the schema does not have.
    """
    left = set(handlers)
    found = []
    for service in runtime_pb2.DESCRIPTOR.services_by_name.values():
        methods = {}
        for method in service.methods:
            handler = handlers.get(method.name)
            if handler is None:
                continue
            left.discard(method.name)
            make, wrap = _SHAPES[method.server_streaming]
            methods[method.name] = make(
                wrap(method.name, handler),
                request_deserializer=GetMessageClass(method.input_type).FromString,
                response_serializer=_encoded,
            )
        found.append(grpc.method_handlers_generic_handler(service.full_name, methods))
    if left:
        raise KeyError(f"the schema has no method {', '.join(sorted(left))}")
    return found


def _encoded(answer: Answer) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


def _unary(name: str, handler: Unary) -> Callable[[Message, grpc.aio.ServicerContext], Awaitable[Answer | None]]:
    async def serve(request: Message, context: grpc.aio.ServicerContext) -> Answer | None:
        try:
            return await handler(request)
        except PyrtError as error:
            await _refuse(name, error, context)
            return None

    return serve


def _streaming(name: str, handler: Streaming) -> Callable[[Message, grpc.aio.ServicerContext], AsyncIterator[Answer]]:
    async def serve(request: Message, context: grpc.aio.ServicerContext) -> AsyncIterator[Answer]:
        try:
            await context.send_initial_metadata(())  # a client that waits for events knows from when on it hears them
            async for answer in handler(request):
                yield answer
        except PyrtError as error:
            await _refuse(name, error, context)

    return serve


async def _refuse(name: str, error: PyrtError, context: grpc.aio.ServicerContext) -> None:
    code = code_of(error)
    level = logging.DEBUG if code is grpc.StatusCode.NOT_FOUND else logging.INFO
    log.log(level, "%s: %s: %s", name, code.name, error)
    await context.abort(code, str(error))


_SHAPES: Mapping[bool, tuple[Any, Any]] = {
    False: (grpc.unary_unary_rpc_method_handler, _unary),
    True: (grpc.unary_stream_rpc_method_handler, _streaming),
}
