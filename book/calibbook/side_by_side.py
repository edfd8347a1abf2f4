"""Calls of a function side by side, each in a process of its own."""

import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from calibprune.errors import CalibpruneError


def each(function: Callable, calls: dict[str, tuple], at_once: int) -> Iterator[str]:
    """Calls `function` with each tuple of arguments, and yields the name of a call when it has returned.

    A process makes one call and ends; where this one is killed, the others end by themselves. The first call that
    raises ends the rest.

    Args:
        function: can be found by its module and name. Its module is imported once, in the process that the others are
            forked from.
        calls: name -> arguments, which can be pickled.
        at_once: processes at a time.

    Raises:
        what a call raises.
        CalibpruneError: a process that was killed.
    """
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload([function.__module__])
    waiting, running = dict(calls), {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                name = next(iter(waiting))
                reader, writer = server.Pipe(duplex=False)
                process = server.Process(target=_call, args=(writer, function, waiting.pop(name)))
                process.start()
                writer.close()
                running[reader] = (name, process)
            for reader in wait(running):
                name, process = running[reader]
                try:
                    raised = reader.recv()
                except EOFError:
                    raise CalibpruneError(
                        f"{name}: its process was killed, perhaps for want of memory; run again"
                    ) from None
                process.join()
                del running[reader]
                if raised is not None:
                    raise raised
                yield name
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()


def _call(writer: Connection, function: Callable, arguments: tuple[Any, ...]) -> None:
    try:
        function(*arguments)
    except BaseException as error:
        writer.send(error)
    else:
        writer.send(None)
