"""A mail server: says where it listens, and then of each mail that it takes what stands in it, a line of JSON each."""

import asyncio
import email.policy
import json
import sys

from aiosmtpd.smtp import SMTP


class Print:
    async def handle_DATA(self, _server, _session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        text = mail.get_body(("plain",)).get_content()
        told = {"to": envelope.rcpt_tos, "title": mail["subject"], "text": text}
        print(json.dumps(told), flush=True)
        return "250 OK"


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Print()), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
