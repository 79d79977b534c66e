package fungraph;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;

/** From the event's bytes to the handler's argument, and from what it returns to a RESULT. */
final class Handler {
    /** Forms of a RESULT. */
    static final int NOTHING = 0;

    static final int TEXT = 1;
    static final int JSON = 2;

    private final Loaded loaded;
    private final Type type;

    Handler(Loaded loaded) {
        this.loaded = loaded;
        this.type = loaded.handler.eventType();
    }

    /** Calls the handler. */
    Result call(byte[] payload, int from, CallContext context) throws Failure {
        Object event = event(new String(payload, from, payload.length - from, StandardCharsets.UTF_8));
        Object value;
        try {
            value = loaded.handler.call(event, context);
        } catch (InvocationTargetException thrown) {
            throw Failure.thrown(Failure.THROWN, thrown);
        } catch (IllegalAccessException | IllegalArgumentException impossible) {
            throw Failure.thrown(Failure.THROWN, impossible);
        }
        return result(value);
    }

    private Object event(String json) throws Failure {
        String text = unwrapped(json);
        if (type == String.class) {
            return text.equals("null") ? "" : text;
        }
        try {
            return loaded.marshal.read(text, type);
        } catch (RuntimeException | StackOverflowError misfit) {
            throw Failure.event(type.getTypeName(), misfit);
        }
    }

    /** A text whose content is an object or a list stands for its content. */
    private String unwrapped(String json) {
        String text = json.trim();
        if (!text.startsWith("\"")) {
            return text;
        }
        try {
            String inner = ((String) loaded.marshal.read(text, String.class)).trim();
            if (inner.startsWith("{") || inner.startsWith("[")) {
                loaded.marshal.read(inner, inner.startsWith("{") ? java.util.Map.class : java.util.List.class);
                return inner;
            }
        } catch (RuntimeException | StackOverflowError plain) {
            // A text like any other.
            return text;
        }
        return text;
    }

    private Result result(Object value) throws Failure {
        if (value == null) {
            return new Result(NOTHING, new byte[0]);
        }
        byte[] bytes;
        int form = value instanceof String ? TEXT : JSON;
        try {
            String text = form == TEXT ? (String) value : loaded.marshal.write(value);
            bytes = text.getBytes(StandardCharsets.UTF_8);
        } catch (RuntimeException | LinkageError | StackOverflowError unfit) {
            throw Failure.result(unfit);
        }
        if (bytes.length > loaded.order.mostResultBytes) {
            throw Failure.tooLarge(bytes.length, loaded.order.mostResultBytes);
        }
        return new Result(form, bytes);
    }

    /** What a RESULT says. */
    static final class Result {
        final int form;
        final byte[] bytes;

        Result(int form, byte[] bytes) {
            this.form = form;
            this.bytes = bytes;
        }
    }
}
