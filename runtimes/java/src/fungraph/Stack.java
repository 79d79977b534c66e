package fungraph;

import java.util.ArrayList;
import java.util.List;

/** Stack traces as the platform shows them: each error of the chain as "Caused by", without our own frames. */
final class Stack {
    /** An endless recursion has thousands, and nobody reads them. */
    private static final int FRAMES = 200;
    private static final int CHAIN = 20;

    private Stack() {}

    /** An error and its causes, which may go in a circle. */
    static List<Throwable> chain(Throwable error) {
        List<Throwable> chain = new ArrayList<>();
        for (Throwable each = error; each != null && chain.size() < CHAIN && !chain.contains(each); ) {
            chain.add(each);
            each = cause(each);
        }
        return chain;
    }

    static List<String> lines(Throwable error) {
        List<String> lines = new ArrayList<>();
        StackTraceElement[] outer = null;
        for (Throwable each : chain(error)) {
            StackTraceElement[] frames = each.getStackTrace();
            for (String line : ("Caused by: " + text(each)).split("\n")) {
                lines.add(line);
            }
            int own = outer == null ? ownFrames(frames) : sharedFrames(frames, outer);
            int shown = Math.min(frames.length - own, FRAMES);
            for (int index = 0; index < shown; index++) {
                lines.add("at " + frames[index]);
            }
            if (shown < frames.length) {
                lines.add("... " + (frames.length - shown) + " more");
            }
            outer = frames;
        }
        return lines;
    }

    private static Throwable cause(Throwable error) {
        try {
            return error.getCause();
        } catch (Throwable broken) {
            return null;
        }
    }

    private static String text(Throwable error) {
        try {
            String text = String.valueOf(error.toString());
            return text.length() > Failure.MESSAGE ? text.substring(0, Failure.MESSAGE) : text;
        } catch (Throwable broken) {
            return error.getClass().getName();
        }
    }

    /** How many frames at the bottom are ours, or Java's on the way from ours to the function. */
    private static int ownFrames(StackTraceElement[] frames) {
        int own = 0;
        while (own < frames.length && isOwn(frames[frames.length - 1 - own].getClassName())) {
            own++;
        }
        return own;
    }

    private static boolean isOwn(String name) {
        return name.startsWith("fungraph.")
                || name.startsWith("java.lang.reflect.")
                || name.startsWith("java.lang.invoke.")
                || name.startsWith("jdk.internal.reflect.")
                || name.startsWith("sun.reflect.")
                || name.startsWith("java.util.concurrent.ThreadPoolExecutor")
                || name.equals("java.lang.Thread");
    }

    /** How many frames at the bottom an error shares with the one that wraps it. */
    private static int sharedFrames(StackTraceElement[] frames, StackTraceElement[] outer) {
        int shared = 0;
        while (shared < frames.length
                && shared < outer.length
                && frames[frames.length - 1 - shared].equals(outer[outer.length - 1 - shared])) {
            shared++;
        }
        return shared;
    }
}
