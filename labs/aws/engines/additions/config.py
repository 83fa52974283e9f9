"""Config: deleting the recorder and the delivery channel, which MiniStack does not offer.

Pages: DeleteConfigurationRecorder, DeleteDeliveryChannel (AWS Config API Reference).
"""

from __future__ import annotations

import json
from typing import Any


def install(module: Any) -> None:
    """Answer these two, and let MiniStack answer the rest."""
    handle = module.handle_request

    async def extended(method: str, path: str, headers: Any, body: Any, query: Any) -> Any:
        action = str(headers.get("x-amz-target", "")).rpartition(".")[2]
        given = json.loads(body or b"{}") if action.startswith("Delete") else {}
        if action == "DeleteConfigurationRecorder":
            return _recorder(module, given.get("ConfigurationRecorderName"))
        if action == "DeleteDeliveryChannel":
            return _channel(module, given.get("DeliveryChannelName"))
        return await handle(method, path, headers, body, query)

    module.handle_request = extended


def _recorder(module: Any, name: Any) -> Any:
    if name not in module._recorders:
        text = f"Cannot find configuration recorder with the specified name '{name}'."
        return module.error_response_json("NoSuchConfigurationRecorderException", text, 400)
    del module._recorders[name]
    return module.json_response({})


def _channel(module: Any, name: Any) -> Any:
    if name not in module._delivery_channels:
        text = f"Cannot find delivery channel with specified name '{name}'."
        return module.error_response_json("NoSuchDeliveryChannelException", text, 400)
    if any(module._recorders[recorder].get("recording") for recorder in module._recorders):
        text = f"Failed to delete last specified delivery channel with name '{name}', because there is a running"
        return module.error_response_json("LastDeliveryChannelDeleteFailedException", f"{text} recorder.", 400)
    del module._delivery_channels[name]
    return module.json_response({})
