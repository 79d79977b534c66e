package fungraph;

/**
 * Asks the function's heartbeat method, again and again, whether all is well. An instance whose method says no, throws, or does not
 * return in time, several times in a row, is replaced.
 */
final class Heartbeat {
    /** The service's own numbers: asked every 5 seconds, 3 seconds to answer, 6 failures. */
    private static final long PERIOD_MILLIS = 5000;

    private static final long LIMIT_MILLIS = 3000;
    private static final int MOST_FAILURES = 6;

    private final Method method;
    private final Journal journal;
    private final Runnable leave;
    private final long periodMillis;
    private final long limitMillis;
    private Asking last;

    /** The function's method. */
    interface Method {
        boolean beat() throws Exception;
    }

    Heartbeat(Method method, Journal journal, Runnable leave) {
        this(method, journal, leave, PERIOD_MILLIS, LIMIT_MILLIS);
    }

    /** The same with a time of its own, for tests. */
    Heartbeat(Method method, Journal journal, Runnable leave, long periodMillis, long limitMillis) {
        this.method = method;
        this.journal = journal;
        this.leave = leave;
        this.periodMillis = periodMillis;
        this.limitMillis = limitMillis;
    }

    /** Asks on a thread of its own, whose class loader is the function's. */
    Thread start(ClassLoader loader) {
        Thread thread = new Thread(this::watch, "heartbeat");
        thread.setDaemon(true);
        thread.setContextClassLoader(loader);
        thread.start();
        return thread;
    }

    private void watch() {
        int failures = 0;
        try {
            while (failures < MOST_FAILURES) {
                Thread.sleep(periodMillis);
                String why = ask();
                failures = why == null ? 0 : failures + 1;
                if (why != null) {
                    journal.printed(0, "heartbeat " + failures + " of " + MOST_FAILURES + " failed: " + why);
                }
            }
        } catch (InterruptedException asked) {
            return;
        }
        journal.printed(0, "this instance is replaced: its heartbeat failed " + MOST_FAILURES + " times in a row");
        leave.run();
    }

    /** Null where all is well. A method that still has not returned is not asked once more. */
    private String ask() throws InterruptedException {
        if (last == null || !last.isAlive()) {
            last = new Asking();
            last.start();
            last.join(limitMillis);
        }
        return last.isAlive() ? "the handler does not return" : last.why;
    }

    /** One question. */
    private final class Asking extends Thread {
        private String why = "it was not asked";

        Asking() {
            super("heartbeat handler");
            setDaemon(true);
        }

        @Override
        public void run() {
            try {
                why = method.beat() ? null : "the handler returned false";
            } catch (Throwable error) {
                Throwable cause = error.getCause() == null ? error : error.getCause();
                why = "the handler threw " + cause.getClass().getName() + ": " + Failure.message(cause);
            }
        }
    }
}
