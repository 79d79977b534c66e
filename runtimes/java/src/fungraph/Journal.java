package fungraph;

import java.nio.charset.StandardCharsets;

/** Log lines on their way to the platform, each with the call it belongs to. */
final class Journal {
    /** Characters of the longest line. */
    static final int LINE = 90 * 1024;

    private static final String[] LEVELS = {"DEBUG", "INFO", "WARN", "ERROR"};

    final Running running;
    private final Wire wire;
    private volatile int level = 1;

    Journal(Wire wire, Running running) {
        this.wire = wire;
        this.running = running;
    }

    /** Sends whole lines as they are, the last one with its line feed. */
    void send(int call, byte[] lines) {
        wire.send(Wire.LOG, call, lines);
    }

    void send(int call, String lines) {
        send(call, lines.getBytes(StandardCharsets.UTF_8));
    }

    /** Sends one line of the logger, cut where it is too long, each piece with the prefix. */
    void logger(String request, int call, int of, String message) {
        if (of < level) {
            return;
        }
        String text = message == null || message.trim().isEmpty() ? "log an empty string" : message;
        String prefix = Stamp.of(System.currentTimeMillis()) + " " + request + " " + LEVELS[of] + " ";
        for (int from = 0; from < text.length(); ) {
            int to = cut(text, from);
            send(call, prefix + text.substring(from, to) + "\n");
            from = to;
        }
    }

    /** Sends one printed line of any length, without its line feed. */
    void printed(int call, String line) {
        int from = 0;
        do {
            int to = cut(line, from);
            send(call, line.substring(from, to) + "\n");
            from = to;
        } while (from < line.length());
    }

    /** Levels are those of the instance; a word that is none is ignored. */
    void setLevel(String name) {
        for (int index = 0; index < LEVELS.length; index++) {
            if (LEVELS[index].equalsIgnoreCase(name)) {
                level = index;
            }
        }
    }

    /** Where a piece of a line ends: never between the two halves of a character. */
    private static int cut(String text, int from) {
        int to = Math.min(text.length(), from + LINE);
        return to < text.length() && Character.isLowSurrogate(text.charAt(to)) ? to - 1 : to;
    }
}
