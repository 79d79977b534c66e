package fungraph;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;

/**
 * Frames of crates/instance/PROTOCOL.md on the socket. One thread reads, any thread writes.
 *
 * <p>Small frames are read with one system call and written with one.
 */
final class Wire {
    static final int LOAD = 1;
    static final int INITIALIZE = 2;
    static final int INVOKE = 3;
    static final int STOP = 4;
    static final int INVOKE_AS = 5;
    static final int HELLO = 65;
    static final int LOADED = 66;
    static final int INITIALIZED = 67;
    static final int RESULT = 68;
    static final int FAILED = 69;
    static final int LOG = 70;
    static final int STOPPED = 71;
    static final int LEAVING = 72;

    private static final int HEADER = 12;
    private static final int MOST = 16 << 20;
    /** Up to here the virtual machine moves bytes over its stack; beyond it allocates for each call. */
    private static final int AT_ONCE = 8192;
    private static final byte[] NOTHING = new byte[0];

    private final InputStream in;
    private final OutputStream out;
    private final byte[] read = new byte[AT_ONCE];
    private final byte[] written = new byte[AT_ONCE];
    private int start;
    private int end;

    Wire(InputStream in, OutputStream out) {
        this.in = in;
        this.out = out;
    }

    /** The socket that the platform left open. It has no path to open, so the descriptor is made from its number. */
    static Wire onDescriptor(int number) throws ReflectiveOperationException {
        Constructor<FileDescriptor> make = FileDescriptor.class.getDeclaredConstructor(int.class);
        make.setAccessible(true);
        FileDescriptor socket = make.newInstance(number);
        return new Wire(new FileInputStream(socket), new FileOutputStream(socket));
    }

    /** The next frame; null where the platform has closed its end. */
    Frame next() throws IOException {
        if (!fill(HEADER)) {
            return null;
        }
        int length = number(read, start);
        int call = number(read, start + 4);
        int kind = read[start + 10] & 0xFF;
        start += HEADER;
        if (length < 0 || length > MOST) {
            throw new IOException("a frame of " + length + " bytes, more than the limit");
        }
        byte[] payload = length == 0 ? NOTHING : new byte[length];
        int got = Math.min(length, end - start);
        System.arraycopy(read, start, payload, 0, got);
        start += got;
        while (got < length) {
            int more = in.read(payload, got, length - got);
            if (more < 0) {
                return null;
            }
            got += more;
        }
        return new Frame(kind, call, payload);
    }

    /** Whether somebody waits for an answer; where that cannot be told, yes. */
    boolean isAsked() {
        try {
            return start < end || in.available() > 0;
        } catch (IOException unknown) {
            return true;
        }
    }

    void send(int kind, int call, byte[] payload) {
        send(kind, call, payload, 0, 0);
    }

    void send(int kind, int call) {
        send(kind, call, NOTHING, 0, 0);
    }

    /** Sends a frame. Ends the process where the platform is gone: nobody is left to run for. */
    synchronized void send(int kind, int call, byte[] payload, int code, int form) {
        int whole = HEADER + payload.length;
        byte[] frame = whole <= AT_ONCE ? written : new byte[whole];
        put(frame, 0, payload.length);
        put(frame, 4, call);
        frame[8] = (byte) code;
        frame[9] = (byte) (code >>> 8);
        frame[10] = (byte) kind;
        frame[11] = (byte) form;
        System.arraycopy(payload, 0, frame, HEADER, payload.length);
        try {
            out.write(frame, 0, whole);
        } catch (IOException gone) {
            Runtime.getRuntime().halt(1);
        }
    }

    private boolean fill(int wanted) throws IOException {
        if (start == end) {
            start = 0;
            end = 0;
        } else if (read.length - start < wanted) {
            System.arraycopy(read, start, read, 0, end - start);
            end -= start;
            start = 0;
        }
        while (end - start < wanted) {
            int more = in.read(read, end, read.length - end);
            if (more < 0) {
                return false;
            }
            end += more;
        }
        return true;
    }

    private static int number(byte[] bytes, int at) {
        return bytes[at] & 0xFF | (bytes[at + 1] & 0xFF) << 8 | (bytes[at + 2] & 0xFF) << 16 | bytes[at + 3] << 24;
    }

    private static void put(byte[] bytes, int at, int number) {
        bytes[at] = (byte) number;
        bytes[at + 1] = (byte) (number >>> 8);
        bytes[at + 2] = (byte) (number >>> 16);
        bytes[at + 3] = (byte) (number >>> 24);
    }

    /** What came in. */
    static final class Frame {
        final int kind;
        final int call;
        final byte[] payload;

        Frame(int kind, int call, byte[] payload) {
            this.kind = kind;
            this.call = call;
            this.payload = payload;
        }
    }
}
