"""A thread beside a computation takes one core, and leaves every other thread what it had."""

import threading

import torch

from calibprune.models.beside import beside


def in_a_new_thread() -> int:
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return found[0]


def test_the_thread_has_one_core_and_others_have_theirs():
    before = torch.get_num_threads()
    torch.set_num_threads(3)  # also where a machine has one core
    try:
        with beside("reader") as reader, beside("writer") as writer:
            sums = [pool.submit(torch.ones(1 << 20).sum) for pool in (reader, writer)]  # begins a team, where it may
            assert [one.result().item() for one in sums] == [1 << 20] * 2
            assert [pool.submit(torch.get_num_threads).result() for pool in (reader, writer)] == [1, 1]
            assert (torch.get_num_threads(), in_a_new_thread()) == (3, 3)
            name = reader.submit(lambda: threading.current_thread().name).result()
        assert name.startswith("reader")
        assert (torch.get_num_threads(), in_a_new_thread()) == (3, 3)
    finally:
        torch.set_num_threads(before)
