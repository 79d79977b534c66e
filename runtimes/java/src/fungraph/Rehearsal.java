package fungraph;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;

/**
 * A conversation with ourselves, in memory: loads and initializes the classes that a first call needs. Played once where
 * the archive of classes is made, and by each process while it waits for its function.
 */
final class Rehearsal {
    private static final String REQUEST = "00000000-0000-0000-0000-000000000000";
    private static final String EVENT = "{\"text\":\"a\",\"number\":1.5,\"flag\":true,\"list\":[\"b\"],\"map\":{\"c\":\"d\"}}";

    private Rehearsal() {}

    /** Plays on until the last act, or until somebody is waiting: between acts, so it never takes long to stop. */
    static void play(BooleanSupplier isAsked) throws IOException {
        for (String act : new String[] {"text", "object", "fail", "print"}) {
            if (isAsked.getAsBoolean()) {
                return;
            }
            ByteArrayOutputStream script = new ByteArrayOutputStream();
            frame(script, Wire.LOAD, 0, order("fungraph.Rehearsal$Actor." + act));
            frame(script, Wire.INITIALIZE, 1, REQUEST);
            frame(script, Wire.INVOKE, 1, REQUEST + EVENT);
            frame(script, Wire.INVOKE, 2, REQUEST + "\"a\"");
            new Session(new Wire(new ByteArrayInputStream(script.toByteArray()), new ByteArrayOutputStream()), status -> {}).serve();
        }
    }

    private static String order(String handler) {
        return "{\"handler\":\"" + handler + "\",\"initializer\":\"fungraph.Rehearsal$Actor.begin\",\"pre_stop\":null,"
                + "\"timeout_ms\":3000,\"initializer_timeout_ms\":3000,\"pre_stop_timeout_ms\":3000,\"concurrent_num\":1,\"memory_mb\":128,"
                + "\"cpu_millicores\":300,\"max_result_bytes\":1000,\"project_id\":\"\",\"package\":\"\",\"function\":\"\","
                + "\"version\":\"\",\"alias\":\"\",\"user_data\":{},\"env\":{},\"code_root\":\"/opt/function/code\"}";
    }

    private static void frame(ByteArrayOutputStream script, int kind, int call, String payload) {
        byte[] bytes = payload.getBytes(StandardCharsets.UTF_8);
        ByteBuffer header = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
        header.putInt(bytes.length).putInt(call).putShort((short) 0).put((byte) kind).put((byte) 0);
        script.write(header.array(), 0, 12);
        script.write(bytes, 0, bytes.length);
    }

    /** The function that is rehearsed with. */
    public static final class Actor {
        /** Initializes. */
        public void begin(com.huawei.services.runtime.Context context) {
            context.getUserData("none");
        }

        /** Text in, text out. */
        public String text(String event, com.huawei.services.runtime.Context context) {
            context.getLogger().info(context.getFunctionName() + event.length());
            return event + context.getRemainingTimeInMilliSeconds();
        }

        /** An object in and out. */
        public Props object(Props event, com.huawei.services.runtime.Context context) {
            return event;
        }

        /** Fails. */
        public void fail(Object event, com.huawei.services.runtime.Context context) {
            throw new IllegalStateException("rehearsed", new IOException("cause"));
        }

        /** Prints, as System.out does. */
        public static Map<String, Object> print(com.google.gson.JsonElement event, com.huawei.services.runtime.Context context) {
            new Output(new Journal(new Wire(null, new ByteArrayOutputStream()), new Running())).printer().println(event);
            return null;
        }
    }

    /** What the actor is given. */
    static final class Props {
        private String text;
        private double number;
        private boolean flag;
        private List<String> list = new ArrayList<>();
        private Map<String, Object> map;
    }
}
