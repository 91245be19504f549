#!/usr/bin/env python3
"""Starts the service and, in front of it, LogiCore: `python3 examples/shipments/run.py`. Ctrl-C ends both.

It needs Python 3.10 or newer alone. Packages go into a virtual environment in the user's cache folder, everything else that is
written into `target/shipments`; `--work` names another folder.
"""

import argparse
import importlib.metadata
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# The same name on every system, so that the version of Python is in it: a newer one makes its own.
VENV = f"logicore-shipments-{sys.version_info.major}.{sys.version_info.minor}"
# How long what was asked to end may take; both drain first.
END = 30
# Both are out of the terminal's reach, so that Ctrl-C comes here alone and they are ended once, in order.
OUR_CHILD = {"start_new_session": True}

TRY = """
The service is behind {url}: see {url}/docs.

  TOKEN=$(curl -s {url}/auth/login -H "Content-Type: application/json" \\
    -d '{{"email":"admin@example.com","password":"admin123"}}' | jq -r .accessToken)
  curl {url}/v1/shipments -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
    -d '{{"reference":"R-1","origin":"Hamburg","destination":"Bern","weightGrams":1200}}'
  curl {url}/v1/shipments -H "Authorization: Bearer $TOKEN"
  grpcurl -plaintext -H "authorization: Bearer $TOKEN" {authority} shipments.v1.ShipmentService/ListShipments

Routes: {routes} (read again when you change it). Ctrl-C ends both.
"""


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--logicore", metavar="PROGRAM", help="a built logicore; `cargo run --release` where not given")
    parser.add_argument("--port", type=int, default=8080, help="where the gateway serves callers")
    parser.add_argument("--service-port", type=int, default=50051, metavar="PORT", help="0 for any that is free")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "target" / "shipments", metavar="FOLDER")
    parser.add_argument("--reflection", action="store_true", help="descriptors from the service itself, not from a file")
    return parser.parse_args()


def python():
    """A Python with the pinned packages: the one that runs this where it has them, else that of a virtual environment."""
    pins = (HERE / "requirements.txt").read_text().splitlines()
    pins = [line.strip() for line in pins if line.strip() and not line.startswith("#")]
    if all(installed(pin) for pin in pins):
        return sys.executable
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    folder = cache / VENV
    program = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "installed"
    if not stamp.is_file() or stamp.read_text().splitlines() != pins:
        print(f"installing the service's packages into {folder}", flush=True)
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([program, "-m", "pip", "install", "--quiet", "--no-input", *pins], check=True)
        stamp.write_text("\n".join(pins))
    return str(program)


def installed(pin):
    name, _, version = pin.partition("==")
    try:
        return importlib.metadata.version(name) == version
    except importlib.metadata.PackageNotFoundError:
        return False


def generate(program, work):
    """Writes the service's code and the descriptor set. Comments are in the set, for the text of /docs."""
    work.mkdir(parents=True, exist_ok=True)
    command = [program, "-m", "grpc_tools.protoc", f"-I{HERE / 'proto'}", f"-I{ROOT / 'proto'}"]
    command += [f"--python_out={work}", f"--grpc_python_out={work}"]
    command += [f"--descriptor_set_out={work / 'shipments.binpb'}", "--include_imports", "--include_source_info"]
    # The policy options have no package on PyPI, so their code is generated too; google.api comes with googleapis-common-protos.
    subprocess.run([*command, "shipments/v1/shipments.proto", "logicore/policy/v1/policy.proto"], check=True)


def write_routes(work, port, reflection):
    """Writes the routes with the port that the service has."""
    text = (HERE / "routes.toml").read_text().replace("127.0.0.1:50051", f"127.0.0.1:{port}")
    if reflection:
        text = text.replace('descriptors = "shipments.binpb"', 'descriptors = "reflection"')
    file = work / "routes.toml"
    file.write_text(text)
    return file


def start_service(program, work, port):
    """Starts the service. Returns it and its port once it listens."""
    path = os.pathsep.join([str(work), str(HERE)])
    command = [program, "-m", "service", "--listen", f"127.0.0.1:{port}", "--verbose"]
    with open(work / "service.log", "ab") as log:
        service = subprocess.Popen(
            command,
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            **OUR_CHILD,
        )
    said = service.stdout.readline().split()
    if not said:
        sys.exit(f"the service did not start; {work / 'service.log'} says why")
    return service, int(said[-1])


def start_gateway(found, work, url, routes):
    """Starts LogiCore as a developer has it: demo accounts, an embedded database. Other settings come from the environment."""
    command = ["cargo", "run", "--release", "--manifest-path", str(ROOT / "Cargo.toml")]
    settings = {
        "LOGICORE_DATA_DIR": str(work / "data"),
        "LOGICORE_LISTEN": f"127.0.0.1:{found.port}",
        "LOGICORE_ROUTES": str(routes),
        "PUBLIC_URL": url,
    }
    try:
        return subprocess.Popen([found.logicore] if found.logicore else command, env=os.environ | settings, **OUR_CHILD)
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is not there: install Rust (https://rustup.rs), or name a built program by --logicore")


def wait_until_ready(url, running):
    """Waits for the gateway, which cargo may have to build first. Whether it is ready; not so when something has ended."""
    while all(process.poll() is None for process in running):
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=1):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    return False


def end(process):
    """Asks a process to end, waits, and does not ask a second time."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main():
    found = options()
    # A supervisor's SIGTERM ends both as Ctrl-C does. SIGINT is ignored, unless said here, in what a script starts in the background.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    program, work = python(), found.work.resolve()
    generate(program, work)
    service, port = start_service(program, work, found.service_port)
    running = [service]
    try:
        routes = write_routes(work, port, found.reflection)
        url = f"http://localhost:{found.port}"
        # In the order in which they end: the gateway finishes calls that the service has to answer.
        running.insert(0, start_gateway(found, work, url, routes))
        if wait_until_ready(url, running):
            print(TRY.format(url=url, authority=f"localhost:{found.port}", routes=routes), flush=True)
        while all(process.poll() is None for process in running):
            time.sleep(0.2)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        # Another Ctrl-C, in impatience, must not leave the rest running.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for process in running:
            end(process)


if __name__ == "__main__":
    sys.exit(main())
