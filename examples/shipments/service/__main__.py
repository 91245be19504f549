"""Starts the service: `python -m service --listen 127.0.0.1:50051`. Ctrl-C or SIGTERM ends it."""

import argparse
import asyncio
import ipaddress
import logging
import signal
import sys

from .server import Server


def options():
    parser = argparse.ArgumentParser(prog="python -m service", description="Shipments, an example service.")
    parser.add_argument("--listen", default="127.0.0.1:50051", metavar="HOST:PORT", help="port 0 for any that is free")
    parser.add_argument("--certs", metavar="FOLDER", help="with server.pem, server.key and ca.pem: mutual TLS")
    parser.add_argument("--verbose", action="store_true", help="log the names of the metadata of each call")
    found = parser.parse_args()
    if found.certs is None and not loopback(found.listen):
        parser.error("beyond loopback anybody could call itself any tenant: --certs is needed there")
    return found


def loopback(address):
    """Whether only this machine reaches the address."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def main(found):
    server = Server(found.listen, found.certs)
    await server.start()
    # Programs that start us wait for this line.
    print(f"listening on port {server.port}", flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        except NotImplementedError:  # Windows: Ctrl-C raises KeyboardInterrupt instead.
            pass
    try:
        await ended.wait()
    finally:
        await server.stop()


if __name__ == "__main__":
    found = options()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if found.verbose:
        logging.getLogger("shipments").setLevel(logging.DEBUG)
    asyncio.run(main(found))
