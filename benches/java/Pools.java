import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;
import java.util.concurrent.RecursiveTask;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;

/**
 * Measures one workload on one of Java's pools, and prints one figure in nanoseconds:
 * {@code java Pools.java SUBJECT WORKLOAD N [WORKERS]}.
 *
 * <p>N is how many tasks, calls or pools there are, or which Fibonacci number is asked for; WORKERS is 2 unless it is
 * named. The virtual machine is warmed up with whole runs first, and the median of those that follow counts. Exit code
 * 77 says that the subject has no such workload; the reason is one line on standard error.
 */
public final class Pools {
    private static final int SKIPPED = 77;
    private static final int WARM_UP_RUNS = 6;
    private static final int RUNS = 5;
    private static final String SUBJECTS = "fork-join, thread-pool";
    private static final String WORKLOADS =
        "call, call-idle, burst, forget, clients-1, clients-2, clients-4, clients-8, forks, tree, start";

    private final String subject;
    private final int workers;

    private Pools(String subject, int workers) {
        this.subject = subject;
        this.workers = workers;
    }

    /** A run of a workload: nanoseconds for each of what it counts. */
    private interface Workload {
        double run() throws Exception;
    }

    /** What cannot be measured, and why. */
    private static final class Skip extends Exception {
        private static final long serialVersionUID = 1;

        Skip(String reason) {
            super(reason);
        }
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 3 && arguments.length != 4) {
            refuse("usage: java Pools.java SUBJECT WORKLOAD N [WORKERS]; subjects: " + SUBJECTS
                + "; workloads: " + WORKLOADS);
        }
        int times = number(arguments[2]);
        int workers = arguments.length == 4 ? number(arguments[3]) : 2;
        Pools pools = new Pools(arguments[0], workers);
        ExecutorService pool = pools.make();
        try {
            Workload workload = pools.workload(pool, arguments[1], times);
            System.out.println(String.format(Locale.ROOT, "%.1f", median(workload)));
        } catch (Skip skip) {
            System.err.println(skip.getMessage());
            System.exit(SKIPPED);
        } finally {
            pool.shutdown();
        }
    }

    private static int number(String text) {
        try {
            int number = Integer.parseInt(text);
            if (number > 0) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Refused below, as what is too small.
        }
        refuse("`" + text + "` should be a number from 1");
        return 0;
    }

    private static void refuse(String reason) {
        System.err.println(reason);
        System.exit(1);
    }

    private ExecutorService make() {
        switch (subject) {
            case "fork-join":
                // Asynchronous mode, first in first out: made for tasks that are never joined by others.
                return forkJoin(true);
            case "thread-pool":
                return Executors.newFixedThreadPool(workers);
            default:
                refuse("no subject is called `" + subject + "`; there are " + SUBJECTS);
                return null;
        }
    }

    private ForkJoinPool forkJoin(boolean isAsynchronous) {
        return new ForkJoinPool(
            workers, ForkJoinPool.defaultForkJoinWorkerThreadFactory, null, isAsynchronous);
    }

    private Workload workload(ExecutorService pool, String name, int times) throws Skip {
        switch (name) {
            case "call":
                return () -> timed(times, () -> {
                    for (int i = 0; i < times; i++) {
                        call(pool, i);
                    }
                });
            case "call-idle":
                return () -> callAfterIdleness(pool, times);
            case "burst":
                return () -> timed(times, () -> submitThenTake(pool, times));
            case "forget":
                return () -> timed(times, () -> fireAndForget(pool, times));
            case "clients-1":
            case "clients-2":
            case "clients-4":
            case "clients-8":
                int clients = Integer.parseInt(name.substring("clients-".length()));
                int each = Math.max(1, times / clients);
                return () -> timed(clients * each, () -> clients(pool, clients, each));
            case "forks":
                checkJoins();
                return () -> {
                    ForkJoinPool own = forkJoin(false);
                    double figure = timed(Fibonacci.forks(times), () -> Fibonacci.check(own, times));
                    own.shutdown();
                    return figure;
                };
            case "tree":
                return () -> timed(times, () -> tree(pool, times));
            case "start":
                return () -> timed(times, () -> {
                    for (int i = 0; i < times; i++) {
                        ExecutorService fresh = make();
                        call(fresh, i);
                        fresh.shutdown();
                    }
                });
            default:
                refuse("no workload is called `" + name + "`; there are " + WORKLOADS);
                return null;
        }
    }

    /** Fails for pools in which a task that waits for another keeps its thread for itself. */
    private void checkJoins() throws Skip {
        if (!subject.equals("fork-join")) {
            throw new Skip("a task that waits for another would keep its thread: only fork-join can fork");
        }
    }

    private interface Run {
        void run() throws Exception;
    }

    private static double timed(long operations, Run run) throws Exception {
        long start = System.nanoTime();
        run.run();
        return (double) (System.nanoTime() - start) / operations;
    }

    private static double median(Workload workload) throws Exception {
        double[] figures = new double[RUNS];
        for (int run = -WARM_UP_RUNS; run < RUNS; run++) {
            double figure = workload.run();
            if (run >= 0) {
                figures[run] = figure;
            }
        }
        Arrays.sort(figures);
        return figures[RUNS / 2];
    }

    private static void call(ExecutorService pool, int value)
            throws ExecutionException, InterruptedException {
        if (pool.submit(() -> value).get() != value) {
            throw new AssertionError("another task's result");
        }
    }

    private static double callAfterIdleness(ExecutorService pool, int calls) throws Exception {
        double[] times = new double[calls];
        for (int i = 0; i < calls; i++) {
            int value = i;
            Thread.sleep(1);
            times[i] = timed(1, () -> call(pool, value));
        }
        Arrays.sort(times);
        return times[calls / 2];
    }

    private static void submitThenTake(ExecutorService pool, int tasks)
            throws ExecutionException, InterruptedException {
        List<Future<Integer>> futures = new ArrayList<>(tasks);
        for (int i = 0; i < tasks; i++) {
            int value = i;
            futures.add(pool.submit(() -> value));
        }
        long sum = 0;
        for (Future<Integer> future : futures) {
            sum += future.get();
        }
        if (sum != (long) tasks * (tasks - 1) / 2) {
            throw new AssertionError("a result was lost");
        }
    }

    private static void fireAndForget(ExecutorService pool, int tasks) {
        LongAdder tally = new LongAdder();
        for (int i = 0; i < tasks; i++) {
            pool.execute(tally::increment);
        }
        waitFor(tally, tasks);
    }

    /** A binary tree of that many tasks: each spawns its children, and nobody waits for any of them, but for all. */
    private static void tree(ExecutorService pool, int tasks) {
        LongAdder tally = new LongAdder();
        pool.execute(() -> node(pool, tally, tasks));
        waitFor(tally, tasks);
    }

    private static void node(ExecutorService pool, LongAdder tally, int tasks) {
        int left = (tasks - 1) / 2;
        int right = tasks - 1 - left;
        if (left > 0) {
            pool.execute(() -> node(pool, tally, left));
        }
        if (right > 0) {
            pool.execute(() -> node(pool, tally, right));
        }
        tally.increment();
    }

    private static void waitFor(LongAdder tally, int tasks) {
        while (tally.sum() < tasks) {
            LockSupport.parkNanos(50_000);
        }
    }

    private static void clients(ExecutorService pool, int clients, int tasksEach) throws Exception {
        CountDownLatch start = new CountDownLatch(clients);
        List<Thread> threads = new ArrayList<>();
        Throwable[] failed = new Throwable[1];
        for (int i = 0; i < clients; i++) {
            threads.add(new Thread(() -> {
                start.countDown();
                try {
                    start.await();
                    submitThenTake(pool, tasksEach);
                } catch (Throwable e) {
                    failed[0] = e;
                }
            }));
        }
        for (Thread thread : threads) {
            thread.start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        if (failed[0] != null) {
            throw new AssertionError("a client failed", failed[0]);
        }
    }

    /** A Fibonacci number by a fork for each addition. */
    private static final class Fibonacci extends RecursiveTask<Long> {
        private static final long serialVersionUID = 1;

        private final int n;

        Fibonacci(int n) {
            this.n = n;
        }

        static void check(ForkJoinPool pool, int n) {
            if (pool.invoke(new Fibonacci(n)) != number(n)) {
                throw new AssertionError("it is another number");
            }
        }

        /** How many forks it takes: one for each addition. */
        static long forks(int n) {
            return Math.max(1, number(n + 1) - 1);
        }

        private static long number(int n) {
            long a = 0;
            long b = 1;
            for (int i = 0; i < n; i++) {
                long next = a + b;
                a = b;
                b = next;
            }
            return a;
        }

        @Override
        protected Long compute() {
            if (n < 2) {
                return (long) n;
            }
            Fibonacci second = new Fibonacci(n - 2);
            second.fork();
            return new Fibonacci(n - 1).compute() + second.join();
        }
    }
}
