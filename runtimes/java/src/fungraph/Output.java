package fungraph;

import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UnsupportedEncodingException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** What System.out and System.err write to: sends each line when it is complete, keeps what is not, per call. */
final class Output extends OutputStream {
    /** Bytes that no line of the longest length has; more of them without a line feed are not hoarded. */
    private static final int HOARD = 4 * Journal.LINE;

    private final Journal journal;
    private final Map<Integer, ByteArrayOutputStream> openLines = new HashMap<>();

    Output(Journal journal) {
        this.journal = journal;
    }

    /** A stream for System.setOut. */
    PrintStream printer() {
        try {
            return new PrintStream(this, false, "UTF-8");
        } catch (UnsupportedEncodingException never) {
            throw new IllegalStateException("every Java has UTF-8", never);
        }
    }

    @Override
    public void write(int single) {
        write(new byte[] {(byte) single}, 0, 1);
    }

    @Override
    public synchronized void write(byte[] bytes, int offset, int length) {
        int call = journal.running.call();
        int from = offset;
        int end = offset + length;
        for (int at = offset; at < end; at++) {
            if (bytes[at] == '\n') {
                line(call, bytes, from, at);
                from = at + 1;
            }
        }
        if (from < end) {
            keep(call, bytes, from, end - from);
        }
    }

    /** Sends the line that a call has left open. */
    synchronized void endLine(int call) {
        ByteArrayOutputStream open = openLines.remove(call);
        if (open != null) {
            journal.printed(call, text(open.toByteArray()));
        }
    }

    /** The same for all calls: the process is about to end. */
    synchronized void endLines() {
        for (Integer call : openLines.keySet().toArray(new Integer[0])) {
            endLine(call);
        }
    }

    private void line(int call, byte[] bytes, int from, int to) {
        ByteArrayOutputStream open = openLines.isEmpty() ? null : openLines.remove(call);
        if (open == null && to - from < Journal.LINE) {
            byte[] line = new byte[to - from + 1];
            System.arraycopy(bytes, from, line, 0, line.length);
            journal.send(call, line);
            return;
        }
        ByteArrayOutputStream whole = open == null ? new ByteArrayOutputStream() : open;
        whole.write(bytes, from, to - from);
        journal.printed(call, text(whole.toByteArray()));
    }

    private void keep(int call, byte[] bytes, int from, int length) {
        ByteArrayOutputStream open = openLines.get(call);
        if (open == null) {
            open = new ByteArrayOutputStream();
            openLines.put(call, open);
        }
        open.write(bytes, from, length);
        if (open.size() >= HOARD) {
            endLine(call);
        }
    }

    private static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }
}
