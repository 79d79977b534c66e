package plot;

import com.google.gson.JsonObject;
import com.huawei.services.runtime.Context;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;

/** Functions that the tests load from a code folder. */
public class Functions {
    private static final CyclicBarrier ALL = new CyclicBarrier(3);

    public String alias(String event, Context context) {
        return event + " " + context.getAlias();
    }

    private String begun = "not begun";

    public void begin(Context context) {
        begun = "begun by " + context.getRequestID().length();
    }

    public void stop(Context context) {
        boolean inTime = context.getRemainingTimeInMilliSeconds() > 80_000;
        System.out.print("stopped " + (inTime ? "" : "too soon ") + "after " + begun);
    }

    public String meet(String event, Context context) throws Exception {
        ALL.await(20, TimeUnit.SECONDS);
        System.out.print("met by " + event);
        return event;
    }

    public String hog(String event, Context context) {
        throw new OutOfMemoryError("Java heap space");
    }

    public boolean beat() {
        return true;
    }

    public String pulse() {
        return "strong";
    }

    /** Tells which classes it sees; names none of Gson's itself. */
    public static class Seeing {
        public String see(String name, Context context) {
            try {
                return Class.forName(name.replace("\"", "")).getName();
            } catch (ClassNotFoundException hidden) {
                return "none";
            }
        }
    }

    /** Uses up the heap before anything is called. */
    public static class Greedy {
        public Greedy() {
            throw new OutOfMemoryError("Java heap space");
        }

        public void handle(String event, Context context) {}
    }

    public String text(String event, Context context) {
        return begun + " " + event;
    }

    /** Which Gson a function sees. */
    public String gson(JsonObject event, Context context) {
        return JsonObject.class.getProtectionDomain().getCodeSource().getLocation().getPath();
    }

    public JsonObject same(JsonObject event, Context context) {
        return event;
    }

    public Object fail(Map<String, String> event, Context context) throws IOException {
        if (event.containsKey("disk")) {
            throw new IOException("write: No space left on device");
        }
        throw new IllegalStateException("out\n\"side\"", new RuntimeException("inside"));
    }

    public void log(Map<String, Integer> event, Context context) {
        StringBuilder text = new StringBuilder();
        for (int count = event.get("count"); count > 0; count--) {
            text.append('x');
        }
        context.getLogger().info(text.toString());
        System.out.print(text);
    }

    /** Each error says again what its cause said. */
    public void shout(String event, Context context) {
        StringBuilder text = new StringBuilder();
        while (text.length() < 1_000_000) {
            text.append("much ado ");
        }
        RuntimeException error = new RuntimeException(text.toString());
        for (int depth = 0; depth < 18; depth++) {
            error = new RuntimeException(error);
        }
        throw error;
    }

    /** Cannot be initialized, and the JVM does not wrap errors as it wraps exceptions. */
    public static class Broken {
        static {
            fall();
        }

        private static void fall() {
            throw new AssertionError("dug too deep");
        }

        public void handle(String event, Context context) {}
    }

    /** A shape whose compiler makes a bridge that takes any object. */
    public interface Shape<E> {
        Object handle(E event, Context context);
    }

    /** Typed by the interface it implements. */
    public static class Typed implements Shape<Typed.Event> {
        @Override
        public Object handle(Event event, Context context) {
            return event.name + event.sizes[1];
        }

        static class Event {
            private String name;
            private int[] sizes;
        }
    }
}
