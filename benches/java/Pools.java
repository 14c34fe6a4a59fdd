import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.LockSupport;

/**
 * The workloads t2, t3 and t4 on Java's pools with two workers: `java Pools WORKLOAD POOL TASKS` prints
 * nanoseconds a task. The virtual machine is warmed up with whole runs first, and the median of
 * those that follow counts.
 */
public final class Pools {
    private static final int WORKERS = 2;
    private static final int WARM_UP_RUNS = 6;
    private static final int RUNS = 5;

    public static void main(String[] arguments) throws Exception {
        String workload = arguments[0];
        int tasks = Integer.parseInt(arguments[2]);
        ExecutorService pool = switch (arguments[1]) {
            // Asynchronous mode, first in first out: made for tasks that are never joined by others.
            case "fork-join" -> new ForkJoinPool(
                WORKERS, ForkJoinPool.defaultForkJoinWorkerThreadFactory, null, true);
            case "executor" -> Executors.newFixedThreadPool(WORKERS);
            default -> throw new IllegalArgumentException("no pool is called " + arguments[1]);
        };
        double[] times = new double[RUNS];
        for (int run = -WARM_UP_RUNS; run < RUNS; run++) {
            long start = System.nanoTime();
            switch (workload) {
                case "t2" -> submitThenTake(pool, tasks);
                case "t3" -> fireAndForget(pool, tasks);
                case "t4" -> clients(pool, 4, tasks / 4);
                default -> throw new IllegalArgumentException("no workload is called " + workload);
            }
            if (run >= 0) {
                times[run] = (double) (System.nanoTime() - start) / tasks;
            }
        }
        pool.shutdown();
        Arrays.sort(times);
        System.out.println(times[RUNS / 2]);
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
        while (tally.sum() < tasks) {
            LockSupport.parkNanos(50_000);
        }
    }

    private static void clients(ExecutorService pool, int clients, int tasksEach)
            throws InterruptedException {
        CountDownLatch start = new CountDownLatch(clients);
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < clients; i++) {
            threads.add(new Thread(() -> {
                start.countDown();
                try {
                    start.await();
                    submitThenTake(pool, tasksEach);
                } catch (ExecutionException | InterruptedException e) {
                    throw new AssertionError(e);
                }
            }));
        }
        for (Thread thread : threads) {
            thread.start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
    }
}
