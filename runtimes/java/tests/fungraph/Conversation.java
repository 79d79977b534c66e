package fungraph;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** A platform in memory: says its part, lets the session answer, and keeps the answers. */
final class Conversation {
    static final String REQUEST = "11111111-2222-3333-4444-555555555555";

    private final ByteArrayOutputStream said = new ByteArrayOutputStream();
    private final List<Answer> answers = new ArrayList<>();
    private String more = "";
    private int atOnce = 1;
    private int awaited;
    /** What the process ended with; negative where it did not. */
    int ended = -1;

    /** One frame that came back. */
    static final class Answer {
        int kind;
        int call;
        int code;
        int form;
        String text;

        @Override
        public String toString() {
            return kind + " call " + call + " code " + code + " form " + form + " " + text;
        }
    }

    Conversation load(String codeRoot, String handler, String initializer, String preStop) {
        return say(Wire.LOAD, 0, "{\"handler\":\"" + handler + "\",\"initializer\":" + quoted(initializer) + ",\"pre_stop\":"
                + quoted(preStop) + ",\"timeout_ms\":3000,\"initializer_timeout_ms\":2000,\"pre_stop_timeout_ms\":90000,"
                + more + "\"concurrent_num\":" + atOnce + ",\"memory_mb\":128,"
                + "\"cpu_millicores\":300,\"max_result_bytes\":100000,\"project_id\":\"p\",\"package\":\"default\","
                + "\"function\":\"f\",\"version\":\"latest\",\"alias\":\"\",\"user_data\":{\"key\":\"value\"},"
                + "\"env\":{\"RUNTIME_TEST\":\"set\"},\"code_root\":\"" + codeRoot + "\"}");
    }

    /** More keys of the function to load, each with its comma. */
    Conversation with(String keys) {
        more = keys;
        return this;
    }

    /** The function to load takes several calls, which are all waited for. */
    Conversation atOnce(int calls) {
        atOnce = calls;
        awaited = calls;
        return this;
    }

    Conversation invoke(int call, String event) {
        return say(Wire.INVOKE, call, REQUEST + event);
    }

    Conversation say(int kind, int call, String payload) {
        byte[] bytes = payload.getBytes(StandardCharsets.UTF_8);
        ByteBuffer header = ByteBuffer.allocate(12).order(ByteOrder.LITTLE_ENDIAN);
        header.putInt(bytes.length).putInt(call).putShort((short) 0).put((byte) kind).put((byte) 0);
        said.write(header.array(), 0, 12);
        said.write(bytes, 0, bytes.length);
        return this;
    }

    /** Has it answered, by a session that gets a few bytes at a time. */
    Conversation play(int bytesAtOnce) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        PrintStream standard = System.out;
        PrintStream error = System.err;
        Session session = new Session(new Wire(slow(said.toByteArray(), bytesAtOnce), out), status -> ended = status);
        session.takeOutput();
        try {
            session.serve();
            waitFor(out);
        } finally {
            System.setOut(standard);
            System.setErr(error);
        }
        read(ByteBuffer.wrap(out.toByteArray()).order(ByteOrder.LITTLE_ENDIAN));
        return this;
    }

    /** Calls that run at once are answered by threads of their own. */
    private void waitFor(ByteArrayOutputStream out) {
        for (int tries = 0; awaited > 0 && tries < 2000; tries++) {
            answers.clear();
            read(ByteBuffer.wrap(out.toByteArray()).order(ByteOrder.LITTLE_ENDIAN));
            if (answers.stream().filter(answer -> answer.kind == Wire.RESULT || answer.kind == Wire.FAILED).count() >= awaited) {
                break;
            }
            java.util.concurrent.locks.LockSupport.parkNanos(10_000_000);
        }
        answers.clear();
    }

    /** The answer to a call that is no log line, and the only one. */
    Answer answer(int call) {
        Answer found = null;
        for (Answer answer : answers) {
            if (answer.call == call && answer.kind != Wire.LOG && answer.kind != Wire.LOADED && answer.kind != Wire.STOPPED) {
                Tests.check(found == null, "one answer to call " + call + ": " + answers);
                found = answer;
            }
        }
        Tests.check(found != null, "an answer to call " + call + ": " + answers);
        return found;
    }

    /** All log lines of a call, in one text. */
    String log(int call) {
        StringBuilder log = new StringBuilder();
        for (Answer answer : answers) {
            log.append(answer.kind == Wire.LOG && answer.call == call ? answer.text : "");
        }
        return log.toString();
    }

    boolean has(int kind) {
        return answers.stream().anyMatch(answer -> answer.kind == kind);
    }

    private void read(ByteBuffer frames) {
        while (frames.hasRemaining()) {
            Answer answer = new Answer();
            byte[] payload = new byte[frames.getInt()];
            answer.call = frames.getInt();
            answer.code = frames.getShort();
            answer.kind = frames.get();
            answer.form = frames.get();
            frames.get(payload);
            answer.text = new String(payload, StandardCharsets.UTF_8);
            answers.add(answer);
        }
    }

    private static InputStream slow(byte[] bytes, int most) {
        return new ByteArrayInputStream(bytes) {
            @Override
            public synchronized int read(byte[] into, int offset, int length) {
                return super.read(into, offset, Math.min(length, most));
            }
        };
    }

    private static String quoted(String text) {
        return text == null ? "null" : "\"" + text + "\"";
    }
}
