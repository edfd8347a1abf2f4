"""How much memory is free: the least that the machine and the limits of this process leave."""

import resource

import psutil
import pytest
import torch

from calibprune.models import memory
from calibprune.models.memory import free_memory

CPU = torch.device("cpu")


@pytest.fixture
def unlimited(monkeypatch, tmp_path):
    """Without the limits that the machine of this test has; a control group may be written to the folder."""
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    monkeypatch.setattr(resource, "getrlimit", lambda limit: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return tmp_path


def test_what_the_machine_has(unlimited):
    assert free_memory(CPU) == pytest.approx(psutil.virtual_memory().available, rel=0.2)


@pytest.mark.parametrize("limit", [resource.RLIMIT_AS, resource.RLIMIT_DATA])
def test_a_limit_of_the_process(unlimited, monkeypatch, limit):
    most = psutil.Process().memory_info().vms + 10**6
    limits = {limit: (most, most)}
    none = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda asked: limits.get(asked, none))
    free = free_memory(CPU)
    assert free <= most
    if limit == resource.RLIMIT_AS:
        assert free <= 10**6
    monkeypatch.setattr(resource, "getrlimit", lambda asked: (1, 1))
    assert free_memory(CPU) == 0


def test_a_control_group_without_the_cache_of_files(unlimited):
    (unlimited / "memory.max").write_text("5000000\n")
    (unlimited / "memory.current").write_text("3000000\n")
    (unlimited / "memory.stat").write_text("anon 2000000\ninactive_file 1000000\n")
    assert free_memory(CPU) == 3_000_000
    (unlimited / "memory.max").write_text("max\n")
    assert free_memory(CPU) > 3_000_000
