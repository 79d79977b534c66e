package fungraph;

import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Something the platform is told as FAILED, already in its words. */
final class Failure extends Exception {
    static final int ENTRY = 4001;
    static final int THROWN = 4002;
    static final int TOO_LARGE = 4004;
    static final int HEARTBEAT = 4006;
    static final int NOT_SERIALISABLE = 4007;
    static final int INITIALIZER = 4009;
    static final int OUT_OF_MEMORY = 4205;
    static final int DISK_FULL = 4207;

    /** Characters of the longest message. */
    static final int MESSAGE = 64 * 1024;

    private static final long serialVersionUID = 1;

    final int code;
    /** Whether the process ends after it. */
    final boolean leaving;
    private final String type;
    private final transient List<String> stack;

    private Failure(int code, String type, String message, List<String> stack, boolean leaving) {
        super(message, null, false, false);
        this.code = code;
        this.type = type;
        this.stack = stack;
        this.leaving = leaving;
    }

    /** A function that is not as its configuration says. */
    static Failure config(String message) {
        return new Failure(ENTRY, "FunctionConfigError", prefix(ENTRY) + message, null, false);
    }

    /** A class that cannot be loaded. A heap that is used up is told as that. */
    static Failure load(String message, Throwable cause) {
        if (cause != null && isOutOfMemory(cause)) {
            return outOfMemory(cause);
        }
        List<String> stack = cause == null ? null : Stack.lines(cause);
        return new Failure(ENTRY, "FunctionLoadError", prefix(ENTRY) + message, stack, false);
    }

    /** The same for a heartbeat handler. */
    Failure ofHeartbeat() {
        return code == ENTRY ? new Failure(HEARTBEAT, type, getMessage(), stack, leaving) : this;
    }

    /** The same for an initializer, which is told about when it should run. */
    Failure ofInitializer() {
        if (code != ENTRY) {
            return this;
        }
        String told = getMessage();
        String message = told.startsWith(prefix(ENTRY)) ? told.substring(prefix(ENTRY).length()) : told;
        return new Failure(INITIALIZER, type, prefix(INITIALIZER) + message, stack, leaving);
    }

    /** An event that does not fit the handler's parameter. */
    static Failure event(String parameter, Throwable error) {
        String message = "the event cannot be read as " + parameter + ": " + message(error);
        return new Failure(ENTRY, error.getClass().getName(), prefix(ENTRY) + message, null, false);
    }

    /** A result that cannot become JSON. */
    static Failure result(Throwable error) {
        String message = "function result is invalid, error: " + message(error);
        return new Failure(NOT_SERIALISABLE, error.getClass().getName(), message, null, false);
    }

    /** A result longer than the platform takes. */
    static Failure tooLarge(int bytes, int most) {
        String message = "the return value of the function exceeds the maximum allowed limit: " + bytes + " bytes, and "
                + most + " are allowed";
        return new Failure(TOO_LARGE, "FunctionResultTooLarge", message, null, false);
    }

    /** Something that user code threw; `code` is that of a handler or an initializer. */
    static Failure thrown(int code, Throwable wrapped) {
        Throwable error = wrapped instanceof InvocationTargetException ? wrapped.getCause() : wrapped;
        if (isOutOfMemory(error)) {
            return outOfMemory(error);
        }
        boolean full = code == THROWN && isDiskFull(error);
        String message = prefix(code) + message(error);
        return new Failure(full ? DISK_FULL : code, error.getClass().getName(), message, Stack.lines(error), false);
    }

    private static Failure outOfMemory(Throwable error) {
        String message = "runtime memory limit exceeded (" + message(error) + "): raise memory_size, or use less memory";
        return new Failure(OUT_OF_MEMORY, "java.lang.OutOfMemoryError", message, Stack.lines(error), true);
    }

    byte[] payload() {
        StringBuilder json = new StringBuilder("{\n  \"errorMessage\": ");
        String message = getMessage();
        quote(json, message.length() > MESSAGE ? message.substring(0, MESSAGE) : message);
        json.append(",\n  \"errorType\": ");
        quote(json, type);
        if (stack != null) {
            json.append(",\n  \"stackTrace\": [");
            String between = "\n    ";
            for (String line : stack) {
                quote(json.append(between), line);
                between = ",\n    ";
            }
            json.append(stack.isEmpty() ? "]" : "\n  ]");
        }
        return json.append("\n}").toString().getBytes(StandardCharsets.UTF_8);
    }

    private static String prefix(int code) {
        switch (code) {
            case ENTRY:
                return "function entry exception, error: ";
            case INITIALIZER:
                return "function initialization exception, error: ";
            default:
                return "function invocation exception, error: ";
        }
    }

    /** What an error says; user code may have overridden that, and may throw there. */
    static String message(Throwable error) {
        try {
            String message = error.getMessage();
            return message == null ? error.getClass().getName() : message;
        } catch (Throwable broken) {
            return "<a " + error.getClass().getName() + " that cannot be printed>";
        }
    }

    /** Whether the heap is used up, and not, say, the number of threads. */
    private static boolean isOutOfMemory(Throwable error) {
        for (Throwable each : Stack.chain(error)) {
            if (each instanceof OutOfMemoryError && !message(each).contains("unable to create")) {
                return true;
            }
        }
        return false;
    }

    /** Java has no error numbers: ENOSPC and EDQUOT are told by the C library's text. */
    private static boolean isDiskFull(Throwable error) {
        for (Throwable each : Stack.chain(error)) {
            String message = message(each);
            if (each instanceof IOException
                    && (message.contains("No space left on device") || message.contains("Disk quota exceeded"))) {
                return true;
            }
        }
        return false;
    }

    private static void quote(StringBuilder json, String text) {
        json.append('"');
        for (int at = 0; at < text.length(); at++) {
            char c = text.charAt(at);
            if (c == '"' || c == '\\') {
                json.append('\\').append(c);
            } else if (c == '\n') {
                json.append("\\n");
            } else if (c == '\t') {
                json.append("\\t");
            } else if (c < ' ' || Character.isSurrogate(c) && !isPaired(text, at)) {
                json.append("\\u").append(Integer.toHexString(c | 0x10000).substring(1));
            } else {
                json.append(c);
            }
        }
        json.append('"');
    }

    private static boolean isPaired(String text, int at) {
        if (Character.isHighSurrogate(text.charAt(at))) {
            return at + 1 < text.length() && Character.isLowSurrogate(text.charAt(at + 1));
        }
        return at > 0 && Character.isHighSurrogate(text.charAt(at - 1));
    }
}
