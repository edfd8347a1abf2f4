"""Kernels of notebooks that are forked from a process in which `preloaded` is imported.

A kernel that is started as a program imports torch, pandas and matplotlib anew, which takes longer than most notebooks
of the book take to read their results.
"""

import os
import signal
import sys
import threading
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize

from jupyter_client import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

FORKS = sys.platform == "linux"
"""On macOS a process that has imported numpy should not be forked."""

PRELOADED = ["calibbook.preloaded"] if FORKS else []
"""Modules that the process imports from which those are forked that execute notebooks."""

context = get_context("fork" if FORKS else "spawn")


class _Process(context.Process):
    """With the names that a subprocess has, which are what jupyter_client calls."""

    stdin = stdout = stderr = None

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self) -> int | None:
        self.join()
        return self.exitcode

    def send_signal(self, number: int) -> None:
        if self.is_alive():
            os.kill(self.pid, number)


_ready: list[tuple[_Process, Connection]] = []
"""The process that will be a kernel once it is told which."""


def make_ready() -> None:
    """Forks this process, which must have one thread only (a lock that another one holds would stay locked for ever).
    The next kernel that it starts by a `KernelManager` will be that copy.
    """
    if not FORKS:
        return
    told, tells = context.Pipe(duplex=False)
    process = _Process(target=_serve, args=(told, tells))
    process.start()
    told.close()
    Finalize(None, tells.close, exitpriority=1)  # before this process waits for its children: one not wanted ends
    _ready.append((process, tells))


class _Provisioner(LocalProvisioner):
    """Makes the process that is ready a kernel, and starts one as a program where none is."""

    async def launch_kernel(self, cmd: list[str], **kwargs) -> dict:
        if not _ready:
            return await super().launch_kernel(cmd, **kwargs)
        self.process, tells = _ready.pop()
        tells.send((cmd[cmd.index("ipykernel_launcher") + 1 :], kwargs["env"], kwargs.get("cwd") or os.getcwd()))
        self.pid = self.process.pid  # it has no group of its own, so a signal is for it alone
        return self.connection_info


class KernelManager(AsyncKernelManager):
    """What `nbclient` starts a kernel with; everything but the start is jupyter_client's."""

    async def _async_pre_start_kernel(self, **kwargs):
        self.provisioner = _Provisioner(kernel_spec=self.kernel_spec, parent=self)
        return await super()._async_pre_start_kernel(**kwargs)


def _serve(told: Connection, tells: Connection) -> None:
    """Is a kernel, as soon as it is told which, until that ends or the process that asked for it is no more."""
    from ipykernel import kernelapp  # for kernels alone

    tells.close()
    try:
        arguments, environment, folder = told.recv()
    except EOFError:
        return
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["ipykernel_launcher", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    kernelapp.launch_new_instance()


def _end_with_parent() -> None:
    wait([parent_process().sentinel])
    os._exit(1)
