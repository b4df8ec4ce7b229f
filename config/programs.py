"""Everything that `manage.py up` keeps running. A new process of the product is one more line here."""

import sys

from django.conf import settings

from config.environment import BASE_DIR
from config.supervisor import Program


def programs() -> list[Program]:
    """The web server and the compiler first; the rest once the web server answers, detection also not before its code is compiled."""
    found = [Program("web", web(), first=True), Program("compile", compiler(), first=True, once=True)]
    found += [Program(f"detect.{n}", worker(f"detect.{n}", "--pool=solo"), after="compile") for n in range(settings.DETECT_SHARDS)]
    found.append(Program("worker", worker("default", f"--concurrency={settings.WORKER_PROCESSES}")))
    found.append(Program("beat", celery("beat", "--scheduler=config.celery:Scheduler", "--pidfile=", f"--schedule={schedule_file()}")))
    if settings.PLUMBLINE_DEMO:
        found.append(Program("feed", (sys.executable, str(BASE_DIR / "manage.py"), "feed")))
    return found


def web() -> tuple[str, ...]:
    """Requests beyond the threads wait in their worker's queue. A worker that dies is replaced at once; each listens by itself once it has
    started, so the others get all requests meanwhile."""
    return (
        *(sys.executable, "-m", "granian", "--interface=wsgi", f"--working-dir={BASE_DIR}"),
        *(f"--host={settings.HOST}", f"--port={settings.PORT}", f"--workers={settings.WEB_WORKERS}", "--no-ws"),
        *(f"--blocking-threads={settings.WEB_THREADS}", "--backlog=2048", "--backpressure=1024"),
        *("--respawn-failed-workers", "--respawn-interval=0.1", "--workers-kill-timeout=4", "--log-level=warning"),
        "config.wsgi:application",
    )


def compiler() -> tuple[str, ...]:
    return (sys.executable, "-m", "config.kernels")


def worker(queue: str, *options: str) -> tuple[str, ...]:
    """A Celery worker of one queue. Gossip and mingling are for clusters that vote; ours never do."""
    return celery("worker", f"--queues={queue}", f"--hostname={queue}@%h", "--without-gossip", "--without-mingle", *options)


def celery(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "celery", f"--workdir={BASE_DIR}", "--app=config", "--quiet", *arguments)


def schedule_file() -> str:
    folder = settings.PLUMBLINE_HOME / "beat"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / "schedule")
