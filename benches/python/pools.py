"""Measures one workload on one of Python's pools, and prints one figure: nanoseconds, or what the workload says.

    pools.py SUBJECT WORKLOAD N [WORKERS]
    pools.py --list

N is how often the workload does what it measures: tasks, items, calls or pools. WORKERS is 2 unless it is named. Exit code 77 says that the subject cannot be measured here, or
that it has no such workload; the reason is one line on standard error.
"""

import concurrent.futures
import multiprocessing
import os
import signal
import sys
import tempfile
import time

from work import hang, nap, noop, spin, worker_id

SKIPPED = 77
WORKERS = 2


class Skip(Exception):
    """What cannot be measured here, and why."""


class Futures:
    """The interface of concurrent.futures, which loky and pebble have too."""

    runs_in_processes = True

    def submit(self, function, argument):
        return self.pool.submit(function, argument).result

    def map(self, function, items, chunk):
        return list(self.pool.map(function, items, chunksize=chunk))

    def stop(self):
        self.pool.shutdown()


class Threads(Futures):
    runs_in_processes = False

    def __init__(self, workers):
        self.pool = concurrent.futures.ThreadPoolExecutor(workers)


class Processes(Futures):
    method = None

    def __init__(self, workers):
        context = multiprocessing.get_context(self.method)
        self.pool = concurrent.futures.ProcessPoolExecutor(workers, mp_context=context)


class ProcessesByFork(Processes):
    method = "fork"


class ProcessesBySpawn(Processes):
    method = "spawn"


class Multiprocessing:
    """multiprocessing.Pool: nobody learns that a worker has died, so its task never ends."""

    runs_in_processes = True
    method = None

    def __init__(self, workers):
        self.pool = multiprocessing.get_context(self.method).Pool(workers)

    def submit(self, function, argument):
        return self.pool.apply_async(function, (argument,)).get

    def map(self, function, items, chunk):
        return self.pool.map(function, items, chunksize=chunk)

    def stop(self):
        self.pool.close()
        self.pool.join()


class MultiprocessingByFork(Multiprocessing):
    method = "fork"


class MultiprocessingBySpawn(Multiprocessing):
    method = "spawn"


class Loky(Futures):
    def __init__(self, workers):
        loky = package("loky")
        self.pool = loky.ProcessPoolExecutor(workers)


class Pebble(Futures):
    def __init__(self, workers):
        pebble = package("pebble")
        self.pool = pebble.ProcessPool(workers, context=multiprocessing.get_context("fork"))

    def submit(self, function, argument):
        return self.pool.schedule(function, args=(argument,)).result

    def map(self, function, items, chunk):
        return list(self.pool.map(function, items, chunksize=chunk).result())

    def stop(self):
        self.pool.close()
        self.pool.join()


def package(name):
    try:
        return __import__(name)
    except ImportError as error:
        venv = "target/python-venv"
        remedy = f"python3 -m venv {venv} && {venv}/bin/pip install -r benches/python/requirements.txt"
        raise Skip(f"no {name} ({error}): {remedy}") from error


# What is measured: each takes the class of a pool, how often, and how many workers, and gives nanoseconds.


def warm(make, calls, workers):
    """Submit and wait; for each of N calls, the median of ten rounds."""
    pool = started(make, workers)

    def run():
        for i in range(calls):
            pool.submit(noop, i)()

    sample = median([timed(run) / calls for _ in range(10)])
    pool.stop()
    return sample


def idle(make, calls, workers):
    """The same after a millisecond without work; the median of N calls."""
    pool = started(make, workers)
    samples = []
    for i in range(calls):
        time.sleep(0.001)
        samples.append(timed(lambda: pool.submit(noop, i)()))
    pool.stop()
    return median(samples)


def burst(make, tasks, workers):
    """N no-ops submitted at once, then all results taken; for each task."""
    pool = started(make, workers)
    sample = timed(lambda: run_all(pool, noop, range(tasks))) / tasks
    pool.stop()
    return sample


def even(make, tasks, workers):
    """N tasks that keep their worker busy for 20 us by the clock; the ideal time as a fraction of the one taken."""
    return efficiency(make, spin, [20_000] * tasks, 20_000 * tasks / workers, workers)


def uneven(make, tasks, workers):
    """As `even`, of 1 to 100 us."""
    random = Random(7)
    lengths = [int((1 + 99 * random.fraction()) * 1000) for _ in range(tasks)]
    return efficiency(make, spin, lengths, sum(lengths) / workers, workers)


def naps(make, tasks, workers):
    """As `even`, of sleeps of 1 to 100 ms. The ideal is what they take if each begins as soon as a worker is free."""
    random = Random(7)
    lengths = [int(1000 * 100 ** random.fraction()) for _ in range(tasks)]
    free = [0] * workers
    for length in lengths:
        first = free.index(min(free))
        free[first] += length
    return efficiency(make, nap, lengths, max(free) * 1000, workers)


def efficiency(make, function, lengths, ideal, workers):
    pool = started(make, workers)
    sample = ideal / timed(lambda: run_all(pool, function, lengths))
    pool.stop()
    return sample


def map_noop(make, items, workers):
    """A map over N no-ops, in chunks of the size that serves it best; all of it."""
    return best_map(make, noop, range(items), workers, (200, 50, 10, 2))


def map_spin(make, items, workers):
    """A map over N items of 10 us, likewise; the ideal time as a fraction of the one taken."""
    best = best_map(make, spin, [10_000] * items, workers, (2000, 400, 80, 20))
    return items * 10_000 / workers / best


def best_map(make, function, arguments, workers, chunks):
    pool = started(make, workers)
    items = len(arguments)
    sizes = {max(1, items // count) for count in chunks}
    best = min(
        timed(lambda: check(pool.map(function, arguments, size), items)) for size in sorted(sizes)
    )
    pool.stop()
    return best


def there_and_back(size):
    """Bytes to a worker and back; the median of N trips."""

    def measure(make, trips, workers):
        pool = started(make, workers)
        data = b"\x07" * size
        samples = []
        for _ in range(trips):
            start = time.perf_counter_ns()
            data = pool.submit(noop, data)()
            samples.append(time.perf_counter_ns() - start)
        if len(data) != size:
            raise AssertionError("bytes were lost on the way")
        pool.stop()
        return median(samples)

    return measure


def start(make, pools, workers):
    """A pool made, until its first result; the median of N pools."""

    def once():
        start = time.perf_counter_ns()
        pool = make(workers)
        pool.submit(noop, 1)()
        took = time.perf_counter_ns() - start
        pool.stop()
        return took

    return median([once() for _ in range(pools)])


def killed(replaced):
    """The only worker killed while it runs a task, until that has failed, or until the next result: the median of
    N. Pools that are broken by it are replaced by new ones, which is what their users have to do."""

    def once(make, path):
        pool = make(1)
        pid = pool.submit(worker_id, 0)()
        result = pool.submit(hang, path)
        while not os.path.exists(path):
            os.sched_yield()
        start = time.perf_counter_ns()
        os.kill(pid, signal.SIGKILL)
        try:
            result()
        except Exception:
            failed = time.perf_counter_ns() - start
        else:
            raise AssertionError("a dead worker has a result")
        if not replaced:
            pool.stop()
            return failed
        try:
            pool.submit(noop, 1)()
        except Exception:
            pool.stop()
            pool = make(1)
            pool.submit(noop, 1)()
        took = time.perf_counter_ns() - start
        pool.stop()
        return took

    def measure(make, times, workers):
        if not make.runs_in_processes:
            raise Skip("its workers are threads, which cannot be killed")
        if issubclass(make, Multiprocessing):
            raise Skip("a task whose worker has died never ends")
        with tempfile.TemporaryDirectory() as directory:
            paths = [os.path.join(directory, str(i)) for i in range(times)]
            return median([once(make, path) for path in paths])

    return measure


def switches(together):
    """Voluntary context switches of all processes for each of N tasks, submitted at once or one by one."""

    def measure(make, tasks, workers):
        pool = started(make, workers)
        before = count_switches()
        if together:
            run_all(pool, noop, range(tasks))
        else:
            for i in range(tasks):
                pool.submit(noop, i)()
        sample = (count_switches() - before) / tasks
        pool.stop()
        return sample

    return measure


def count_switches():
    """Voluntary context switches of this process and its children, up to now."""
    if not os.path.isdir("/proc/self/task"):
        raise Skip("only Linux counts context switches in /proc")
    own = os.getpid()
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                parent = int(stat.read().rsplit(")", 1)[1].split()[1])
            if own not in (int(pid), parent):
                continue
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/status") as status:
                    for line in status:
                        if line.startswith("voluntary_ctxt_switches:"):
                            total += int(line.split()[1])
        except (FileNotFoundError, ProcessLookupError):
            pass  # that process has ended meanwhile
    return total


# How it is measured.


def started(make, workers):
    pool = make(workers)
    run_all(pool, noop, range(1000))
    return pool


def run_all(pool, function, arguments):
    results = [pool.submit(function, argument) for argument in arguments]
    return [result() for result in results]


def check(results, items):
    if len(results) != items:
        raise AssertionError(f"{len(results)} results of {items} items")


def median(samples):
    return sorted(samples)[len(samples) // 2]


def timed(function):
    start = time.perf_counter_ns()
    function()
    return time.perf_counter_ns() - start


class Random:
    """The same numbers as the Rust side has."""

    def __init__(self, seed):
        self.state = seed

    def fraction(self):
        steps = 1 << 20
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self.state >> 33) % steps / steps


SUBJECTS = {
    "threads": Threads,
    "processes-fork": ProcessesByFork,
    "processes-spawn": ProcessesBySpawn,
    "multiprocessing-fork": MultiprocessingByFork,
    "multiprocessing-spawn": MultiprocessingBySpawn,
    "loky": Loky,
    "pebble": Pebble,
}

KIB = 1 << 10
MIB = 1 << 20

WORKLOADS = {
    "call": warm,
    "call-idle": idle,
    "burst": burst,
    "even": even,
    "uneven": uneven,
    "naps": naps,
    "map-noop": map_noop,
    "map-10us": map_spin,
    "payload-64B": there_and_back(64),
    "payload-4KiB": there_and_back(4 * KIB),
    "payload-64KiB": there_and_back(64 * KIB),
    "payload-1MiB": there_and_back(MIB),
    "payload-16MiB": there_and_back(16 * MIB),
    "payload-64MiB": there_and_back(64 * MIB),
    "start": start,
    "kill-failed": killed(replaced=False),
    "kill-replaced": killed(replaced=True),
    "switches-burst": switches(together=True),
    "switches-call": switches(together=False),
}


def parse(arguments):
    if len(arguments) not in (3, 4):
        sys.exit(__doc__.strip())
    subject, workload = arguments[:2]
    if subject not in SUBJECTS:
        sys.exit(f"no subject is called `{subject}`; there are {', '.join(SUBJECTS)}")
    if workload not in WORKLOADS:
        sys.exit(f"no workload is called `{workload}`; there are {', '.join(WORKLOADS)}")
    try:
        numbers = [int(text) for text in arguments[2:]]
    except ValueError:
        numbers = [0]
    if min(numbers) < 1:
        sys.exit(f"`{' '.join(arguments[2:])}` should be numbers from 1")
    times, workers = (numbers + [WORKERS])[:2]
    return SUBJECTS[subject], WORKLOADS[workload], times, workers


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(f"subject {name}" for name in SUBJECTS))
        print("\n".join(f"workload {name}" for name in WORKLOADS))
        return
    subject, workload, times, workers = parse(sys.argv[1:])
    try:
        figure = workload(subject, times, workers)
    except Skip as skip:
        print(skip, file=sys.stderr)
        sys.exit(SKIPPED)
    print(float(figure))


if __name__ == "__main__":
    main()
