"""What the workers do. A module of its own, so that every pool sends these functions by name."""

import os
import signal
import time


def noop(x):
    return x


def spin(nanoseconds):
    end = time.perf_counter_ns() + nanoseconds
    while time.perf_counter_ns() < end:
        pass
    return nanoseconds


def nap(microseconds):
    time.sleep(microseconds / 1e6)
    return microseconds


def worker_id(_):
    return os.getpid()


def hang(path):
    with open(path, "w"):
        pass
    signal.pause()
