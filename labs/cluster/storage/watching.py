"""Objects as they are now, by name, and an event whenever one changes."""

from __future__ import annotations

import asyncio

from labs.cluster.nodes.api import Client, Object


class Watched:
    """Every object of one kind, by ``NAMESPACE/NAME`` (``/NAME`` where it has no namespace)."""

    def __init__(self, client: Client, path: str, news: asyncio.Event) -> None:
        self.items: dict[str, Object] = {}
        self.synced = False
        self._client = client
        self._path = path
        self._news = news

    async def follow(self) -> None:
        """Keep up, without end."""
        async for change, item in self._client.watch(self._path):
            if change == "SYNCED":
                known = {key(each) for each in item.get("items") or []}
                self.items = {name: each for name, each in self.items.items() if name in known}
                self.synced = True
            elif change == "DELETED":
                self.items.pop(key(item), None)
            else:
                self.items[key(item)] = item
            self._news.set()


def key(item: Object) -> str:
    """``NAMESPACE/NAME``."""
    return f"{item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
