"""A reader of server-sent events, as a browser reads them."""

import http.client
import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

from tests.gateway.stage import GatewayProcess, GatewayStage, Reply
from tests.lane.stage import wait_until


@dataclass(frozen=True)
class Event:
    """One event. `id` is that of the stream when it was read."""

    type: str
    data: bytes
    id: str

    def json(self) -> Any:
        return json.loads(self.data)


class Reader:
    """One stream, read by a thread of its own until it ends or is closed. `broken`: it ended without its last chunk."""

    def __init__(
        self,
        stage: GatewayStage,
        account: str,
        query: str = "",
        *,
        key: str = "",
        last: str | None = None,
        gateway: GatewayProcess | None = None,
    ) -> None:
        self.events: list[Event] = []
        self.lines: list[bytes] = []
        self.last, self.pings, self.broken = last or "", 0, False
        self._connection = http.client.HTTPConnection("127.0.0.1", (gateway or stage.gateways[0]).port, timeout=60)
        headers = {"Authorization": f"Bearer {key or stage.key}"}
        if last is not None:
            headers["Last-Event-ID"] = last
        self._connection.request("GET", f"/v1/accounts/{quote(account, safe='')}/events{query}", headers=headers)
        # Taken before the answer: its object owns the connection once the headers are read.
        self._socket: socket.socket = self._connection.sock
        self.answer = self._connection.getresponse()
        self.status = self.answer.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in self.answer.getheaders()}
        self._thread = threading.Thread(target=self._read, daemon=True)
        if self.status == 200:
            self._thread.start()

    def __enter__(self) -> Self:
        assert self.status == 200, self.reply().body
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def reply(self) -> Reply:
        """The answer of a stream that was refused."""
        return Reply(self.status, self.headers, self.answer.read())

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def close(self) -> None:
        if self._thread.is_alive():
            self._socket.shutdown(socket.SHUT_RDWR)
            self._thread.join(20)
        self._connection.close()

    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def wait_for(self, count: int, type_: str, seconds: float = 60) -> list[Event]:
        """The events of a type, once there are so many."""
        wait_until(lambda: self.types().count(type_) >= count, f"{count} {type_} in {self.types()}", seconds)
        return [event for event in self.events if event.type == type_]

    def _read(self) -> None:
        fields: dict[str, bytes] = {}
        try:
            while line := self.answer.readline():
                self.lines.append(line)
                text = line.rstrip(b"\n")
                if text.startswith(b":"):
                    self.pings += 1
                elif text:
                    name, _, value = text.partition(b": ")
                    assert name.decode() not in fields, "one line for each field"
                    fields[name.decode()] = value
                else:
                    self._dispatch(fields)
                    fields = {}
            # http.client passes over a last chunk that is missing, but for this: None is the end of the whole answer.
            self.broken = getattr(self.answer, "chunk_left", 0) is not None
        except (http.client.HTTPException, OSError, ValueError):
            self.broken = True

    def _dispatch(self, fields: dict[str, bytes]) -> None:
        self.last = fields.get("id", self.last.encode()).decode()
        if "data" in fields:
            self.events.append(Event(fields["event"].decode(), fields["data"], self.last))
