"""Compiles the kernels of detection and ingestion into numba's cache, once per version, so that no worker does it while points wait.

Run as `python -m config.kernels`. Needs neither a database nor Django's settings.
"""

import fcntl
import hashlib
import importlib
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from config.environment import BASE_DIR, env_str, plumbline_home


def cache_folder() -> Path:
    """Where numba keeps compiled code, for every process of the product."""
    return Path(env_str("NUMBA_CACHE_DIR", str(plumbline_home() / "numba")))


def sources() -> list[Path]:
    """The files that hold compiled code, or what is compiled into it."""
    engine = importlib.import_module("metrics.detection.engine")
    return [*engine.kernel_sources(), BASE_DIR / "metrics/ingest/walk.py"]


def digest() -> str:
    """Changes with the kernels' sources and with what compiles them."""
    made = hashlib.sha256(f"{version('numba')} {sys.version} {platform.machine()} {platform.node()}".encode())
    for path in sources():
        made.update(path.read_bytes())
    return made.hexdigest()


def compile_all() -> None:
    importlib.import_module("metrics.ingest.walk")
    engine = importlib.import_module("metrics.detection.engine")
    engine.tick(engine.new_states(1), 0)


def main() -> None:
    """Returns when everything is compiled, whether by this process or by another that had begun before."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp, wanted = folder / "compiled", digest()
        if not stamp.is_file() or stamp.read_text() != wanted:
            sys.stderr.write("compiling the detector, once per version; until then points wait in the log\n")
            os.environ["NUMBA_CACHE_DIR"] = str(folder)
            compile_all()
            stamp.write_text(wanted)


if __name__ == "__main__":
    main()
