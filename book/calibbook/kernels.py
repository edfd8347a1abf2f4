"""Kernels of notebooks that are forked from a process in which `preloaded` is imported.

A kernel that is started as a program imports torch, pandas and matplotlib anew, which takes longer than most notebooks
of the book take to read their results.
"""

import os
import signal
import sys
import threading
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait

from jupyter_client import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

FORKS = sys.platform == "linux"
"""On macOS a process that has imported numpy should not be forked."""

PRELOADED = ["calibbook.preloaded"] if FORKS else []
"""Modules that the process imports from which all others are forked."""

context = get_context("forkserver")


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


class ForkedProvisioner(LocalProvisioner):
    """Starts IPython's kernel in a forked process rather than as a program."""

    async def launch_kernel(self, cmd: list[str], **kwargs) -> dict:
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        self.process = _Process(target=_serve, args=(arguments, kwargs["env"], kwargs.get("cwd") or os.getcwd()))
        self.process.start()
        self.pid = self.process.pid  # it has no group of its own, so a signal is for it alone
        return self.connection_info


class ForkedKernelManager(AsyncKernelManager):
    """What `nbclient` starts a kernel with; everything but the start is jupyter_client's."""

    async def _async_pre_start_kernel(self, **kwargs):
        self.provisioner = ForkedProvisioner(kernel_id=self.kernel_id, kernel_spec=self.kernel_spec, parent=self)
        return await super()._async_pre_start_kernel(**kwargs)


def manager() -> type[AsyncKernelManager]:
    """The class of kernel manager for this system."""
    return ForkedKernelManager if FORKS else AsyncKernelManager


def _serve(arguments: list[str], environment: dict[str, str], folder: str) -> None:
    """Is a kernel until it is told to end, or until the process that asked for it is no more."""
    from ipykernel import kernelapp  # of a kernel alone

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
