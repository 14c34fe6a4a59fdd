"""Measures one workload on one of CPython's process pools, and prints the number that `ratios` asks for.

pools.py WORKLOAD futures|multiprocessing full|quick|tiny
"""

import multiprocessing
import os
import signal
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor

WORKERS = 2
# The quickest way to start a worker.
FORK = multiprocessing.get_context("fork")


class Futures:
    """concurrent.futures.ProcessPoolExecutor"""

    def __init__(self, workers):
        self.pool = ProcessPoolExecutor(workers, mp_context=FORK)

    def submit(self, function, argument):
        return self.pool.submit(function, argument).result

    def map(self, function, items, chunk):
        return list(self.pool.map(function, items, chunksize=chunk))

    def stop(self):
        self.pool.shutdown()


class Multiprocessing:
    """multiprocessing.Pool"""

    def __init__(self, workers):
        self.pool = FORK.Pool(workers)

    def submit(self, function, argument):
        return self.pool.apply_async(function, (argument,)).get

    def map(self, function, items, chunk):
        return self.pool.map(function, items, chunksize=chunk)

    def stop(self):
        self.pool.close()
        self.pool.join()


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


def median(samples):
    return sorted(samples)[len(samples) // 2]


def timed(function):
    start = time.perf_counter_ns()
    function()
    return time.perf_counter_ns() - start


def started(pool, workers=WORKERS):
    pool = pool(workers)
    run_all(pool, noop, range(1000))
    return pool


def run_all(pool, function, arguments):
    results = [pool.submit(function, argument) for argument in arguments]
    return [result() for result in results]


def warm(pool, of):
    pool = started(pool)
    calls = of(500)

    def run():
        for i in range(calls):
            pool.submit(noop, i)()

    sample = median([timed(run) / calls for _ in range(of(10))])
    pool.stop()
    return sample


def idle(pool, of):
    pool = started(pool)
    samples = []
    for i in range(of(300)):
        time.sleep(0.001)
        samples.append(timed(lambda: pool.submit(noop, i)()))
    pool.stop()
    return median(samples)


def burst(pool, of):
    pool = started(pool)
    tasks = of(20_000)
    sample = timed(lambda: run_all(pool, noop, range(tasks))) / tasks
    pool.stop()
    return sample


def even(pool, of):
    tasks = of(20_000)
    return efficiency(pool, spin, [20_000] * tasks, 20_000 * tasks / WORKERS, WORKERS)


def uneven(pool, of):
    random = Random(7)
    lengths = [int((1 + 99 * random.fraction() ** 18) * 1000) for _ in range(of(20_000))]
    return efficiency(pool, spin, lengths, sum(lengths) / WORKERS, WORKERS)


def naps(pool, of):
    workers = 8
    random = Random(7)
    lengths = [int(1000 * 100 ** random.fraction()) for _ in range(of(400))]
    free = [0] * workers
    for length in lengths:
        first = free.index(min(free))
        free[first] += length
    return efficiency(pool, nap, lengths, max(free) * 1000, workers)


def efficiency(pool, function, lengths, ideal, workers):
    pool = started(pool, workers)
    sample = ideal / timed(lambda: run_all(pool, function, lengths))
    pool.stop()
    return sample


def map_spin(pool, of):
    items = of(20_000)
    pool = started(pool)
    arguments = [10_000] * items
    best = min(
        timed(lambda: pool.map(spin, arguments, chunk)) for chunk in (10, 50, 250, 1000)
    )
    pool.stop()
    return items * 10_000 / WORKERS / best


def map_noop(pool, of):
    items = of(1_000_000)
    pool = started(pool)
    chunks = (1000, 5000, 20_000, 100_000, 500_000)
    best = min(timed(lambda: pool.map(noop, range(items), chunk)) for chunk in chunks)
    pool.stop()
    return best


def there_and_back(size, times):
    def measure(pool, of):
        pool = started(pool)
        data = b"\x07" * (size if of(1000) > 3 else size // 1000)
        samples = []
        for _ in range(times):
            start = time.perf_counter_ns()
            data = pool.submit(noop, data)()
            samples.append(time.perf_counter_ns() - start)
        pool.stop()
        return median(samples)

    return measure


def start(pool, of):
    def once():
        start = time.perf_counter_ns()
        it = pool(WORKERS)
        it.submit(noop, 1)()
        took = time.perf_counter_ns() - start
        it.stop()
        return took

    return median([once() for _ in range(of(30))])


def killed(pool, of, replaced):
    """The pool is broken then; its replacement is a new pool."""

    def once(directory, i):
        it = pool(1)
        pid = it.submit(worker_id, 0)()
        path = os.path.join(directory, str(i))
        result = it.submit(hang, path)
        while not os.path.exists(path):
            os.sched_yield()
        start = time.perf_counter_ns()
        os.kill(pid, signal.SIGKILL)
        try:
            result()
        except Exception:
            pass
        if replaced:
            it.stop()
            it = pool(1)
            it.submit(noop, 1)()
        took = time.perf_counter_ns() - start
        it.stop()
        return took

    with tempfile.TemporaryDirectory() as directory:
        return median([once(directory, i) for i in range(of(50))])


def switches(pool, of, together):
    pool = started(pool)
    tasks = of(20_000 if together else 5000)
    before = count_switches()
    if together:
        run_all(pool, noop, range(tasks))
    else:
        for i in range(tasks):
            pool.submit(noop, i)()
    sample = (count_switches() - before) / tasks
    pool.stop()
    return sample


def count_switches():
    """Voluntary context switches of this process and its children."""
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
        except FileNotFoundError:
            pass  # that process has ended meanwhile
    return total


class Random:
    """The same numbers as in `common/random.rs`."""

    def __init__(self, seed):
        self.state = seed

    def fraction(self):
        steps = 1 << 20
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self.state >> 33) % steps / steps


WORKLOADS = {
    "p1": warm,
    "p1-idle": idle,
    "p2": burst,
    "p3-even": even,
    "p3-uneven": uneven,
    "p3-naps": naps,
    "p4-10us": map_spin,
    "p5": map_noop,
    "p6-1MiB": there_and_back(1 << 20, 100),
    "p6-64MiB": there_and_back(64 << 20, 5),
    "p7": start,
    "p8-fails": lambda pool, of: killed(pool, of, False),
    "p8-replaced": lambda pool, of: killed(pool, of, True),
    "p9-burst": lambda pool, of: switches(pool, of, True),
    "p9-call": lambda pool, of: switches(pool, of, False),
}

POOLS = {"futures": Futures, "multiprocessing": Multiprocessing}


def main():
    workload, pool, scale = sys.argv[1:]
    part = {"full": lambda n: n, "quick": lambda n: n // 10 + 2, "tiny": lambda n: n // 1000 + 2}[scale]
    print(float(WORKLOADS[workload](POOLS[pool], part)))


if __name__ == "__main__":
    main()
