"""The memory that may be used is the least that the machine and the control groups around a process allow."""

import subprocess
import sys

import pytest

from benchmarks.control_group import control_group, within
from regsearch.data.memory import limit_files, memory_bytes
from tests import needs

MIB = 2**20
CONTROLLERS = "9:name=systemd:/user.slice\n5:cpu,cpuacct:/user.slice\n"
JOB = "3:hugetlb,memory:/slurm/uid_1000/job_7/step_0\n"
V1, V2 = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("0::/\n", [f"{V2}/memory.max"]),
        (
            "0::/system.slice/regsearch.service\n",
            [
                f"{V2}/system.slice/regsearch.service/memory.max",
                f"{V2}/system.slice/memory.max",
                f"{V2}/memory.max",
            ],
        ),
        (
            CONTROLLERS + JOB,
            [
                f"{V1}/slurm/uid_1000/job_7/step_0/memory.limit_in_bytes",
                f"{V1}/slurm/uid_1000/job_7/memory.limit_in_bytes",
                f"{V1}/slurm/uid_1000/memory.limit_in_bytes",
                f"{V1}/slurm/memory.limit_in_bytes",
                f"{V1}/memory.limit_in_bytes",
            ],
        ),
        ("4:memory:/\n0::/a:b c\n", [f"{V1}/memory.limit_in_bytes", f"{V2}/a:b c/memory.max", f"{V2}/memory.max"]),
        (CONTROLLERS, []),
        ("", []),
    ],
    ids=["container", "unit", "job", "both versions", "no memory controller", "none"],
)
def test_limits_are_sought_in_the_group_of_the_process_and_in_all_around_it(groups, expected):
    assert list(map(str, limit_files(groups))) == expected


PRINT = "from regsearch.data.memory import memory_bytes; print(memory_bytes())"


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [(300 * MIB, 200 * MIB, 200 * MIB), (200 * MIB, 300 * MIB, 200 * MIB), (200 * MIB, None, 200 * MIB)],
    ids=["its own", "of the group around it", "of that alone"],
)
def test_the_smallest_limit_of_nested_groups_is_the_memory_there_is(outer, inner, expected):
    needs.control_groups()
    with control_group(outer) as job, control_group(inner, job) as step:
        printed = subprocess.check_output(within(step, sys.executable, "-c", PRINT), text=True)
    assert int(printed) == expected < memory_bytes()
