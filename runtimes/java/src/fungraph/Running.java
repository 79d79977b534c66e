package fungraph;

import java.util.concurrent.atomic.AtomicInteger;

/** Which call runs now, so that what is printed is told to belong to it. */
final class Running {
    /** Where calls come one at a time: threads of the user's belong to it too, whenever they were started. */
    private volatile CallContext only;
    /** Where they come several at once: a thread belongs to the call that started it. */
    private volatile InheritableThreadLocal<CallContext> each;
    private final AtomicInteger count = new AtomicInteger();

    /** Calls will come several at once. */
    void severalAtOnce() {
        each = new InheritableThreadLocal<>();
    }

    void enter(CallContext context) {
        count.incrementAndGet();
        if (each == null) {
            only = context;
        } else {
            each.set(context);
        }
    }

    void leave() {
        count.decrementAndGet();
        if (each == null) {
            only = null;
        } else {
            each.remove();
        }
    }

    /** Whether any call runs. */
    boolean isBusy() {
        return count.get() > 0;
    }

    /** The call of this thread, or null. */
    CallContext now() {
        return each == null ? only : each.get();
    }

    /** Its number; 0 outside any call. */
    int call() {
        CallContext context = now();
        return context == null ? 0 : context.call();
    }
}
