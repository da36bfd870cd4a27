"""A mail server that answers with bytes of a test's choice: a library's server sends none that are wrong."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from tests.notifier.mail.mail_server import HOST

_ANSWERS = {
    b"EHLO": b"250 mail.acme.example\r\n",
    b"MAIL": b"250 OK\r\n",
    b"RCPT": b"250 OK\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
}


@asynccontextmanager
async def answering(changed: Mapping[bytes, bytes], contents: list[bytes]) -> AsyncIterator[int]:
    """Serve on a free port. `changed` has the answer to each line that begins so, the longest beginning first;
    `contents` gets the mails.
    """
    answers = {**_ANSWERS, **changed}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.acme.example\r\n")
        while line := await reader.readline():
            fitting = max((start for start in answers if line.startswith(start)), key=len, default=b"")
            answer = answers.get(fitting, b"500 unknown\r\n")
            writer.write(answer)
            if answer.startswith(b"354"):
                contents.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 OK\r\n")
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
