"""A thread for what can be done beside a computation: reading the next layer, writing the last one."""

from concurrent.futures import ThreadPoolExecutor

import torch


def beside(name: str) -> ThreadPoolExecutor:
    """A pool of one thread, of this name, whose torch operations use a single core.

    By default torch gives every Python thread that computes an OpenMP team as large as the machine. With more OpenMP
    threads than cores the runtime lets the threads of all teams sleep between operations, the main computation's too:
    its forward passes took half as long again on two cores.
    """
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(1, name, initializer=_one_core)
    pool.submit(int).result()  # the thread runs, and has its number
    torch.set_num_threads(threads)  # for this thread nothing changes; threads that are to come would have one core too
    return pool


def _one_core() -> None:
    torch.set_num_threads(1)
    torch.get_num_threads()  # a thread takes its number when it first asks
