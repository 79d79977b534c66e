package fungraph;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.IntConsumer;

/** One conversation with the platform: answers frames until it ends. */
final class Session {
    private static final int REQUEST_ID = 36;

    /** How long nothing must run before an instance that leaves ends: a call may have been on its way to it. */
    private static final long QUIET_MILLIS = 1000;

    private final Wire wire;
    /** Ends the process. */
    private final IntConsumer end;
    private final Running running = new Running();
    private final Journal journal;
    private final Output output;
    private Loaded loaded;
    private Handler handler;
    private ExecutorService threads;

    Session(Wire wire, IntConsumer end) {
        this.wire = wire;
        this.end = end;
        this.journal = new Journal(wire, running);
        this.output = new Output(journal);
    }

    /** Everything Java prints goes through us from here on. */
    void takeOutput() {
        java.io.PrintStream printer = output.printer();
        System.setOut(printer);
        System.setErr(printer);
    }

    void hello() {
        String text = "{\"protocol\":1,\"language\":\"java\",\"version\":\"" + System.getProperty("java.version") + "\"}";
        wire.send(Wire.HELLO, 0, text.getBytes(StandardCharsets.UTF_8));
    }

    /** Answers until STOP, or until the platform closes its end; true for STOP. */
    boolean serve() throws IOException {
        for (Wire.Frame frame = wire.next(); frame != null; frame = wire.next()) {
            switch (frame.kind) {
                case Wire.LOAD:
                    load(frame);
                    break;
                case Wire.INITIALIZE:
                    initialize(frame);
                    break;
                case Wire.INVOKE:
                    invoke(frame, loaded.order.alias);
                    break;
                case Wire.INVOKE_AS:
                    invokeAs(frame);
                    break;
                case Wire.STOP:
                    stop();
                    return true;
                default:
                    throw new IOException("a frame of unknown kind " + frame.kind);
            }
        }
        return false;
    }

    /** Sends the lines that are begun: the process ends, by System.exit for instance. */
    void endLines() {
        output.endLines();
    }

    private void load(Wire.Frame frame) {
        Order order = new Order(new String(frame.payload, StandardCharsets.UTF_8));
        Environment.put(order.environment);
        if (order.atOnce > 1) {
            running.severalAtOnce();
            threads = Executors.newCachedThreadPool();
        }
        try {
            loaded = new Loaded(order);
            handler = new Handler(loaded);
            output.endLine(0);
            wire.send(Wire.LOADED, frame.call);
            if (loaded.initializer == null) {
                watch();
            }
        } catch (Failure failure) {
            fail(frame.call, failure);
        } catch (OutOfMemoryError error) {
            fail(frame.call, Failure.thrown(Failure.ENTRY, error));
        } catch (Throwable error) {
            // An error of a static initializer, or a type in the handler's signature that is not there.
            fail(frame.call, Failure.load(Failure.message(error), error));
        }
    }

    private void initialize(Wire.Frame frame) {
        CallContext context = context(frame, loaded.order.alias, loaded.order.initializerTimeoutMillis);
        running.enter(context);
        Failure failure = loaded.initializerMissing;
        try {
            if (failure == null) {
                loaded.initializer.call(context);
            }
        } catch (Throwable error) {
            failure = Failure.thrown(Failure.INITIALIZER, error);
        }
        running.leave();
        if (failure == null) {
            output.endLine(frame.call);
            wire.send(Wire.INITIALIZED, frame.call);
            watch();
        } else {
            fail(frame.call, failure);
        }
    }

    /** Asks the heartbeat handler from now on. */
    private void watch() {
        if (loaded.heartbeat != null) {
            new Heartbeat(loaded.heartbeat::call, journal, this::leave).start(loaded.loader);
        }
    }

    /** Takes no more calls, and ends once those that run have ended. */
    private void leave() {
        wire.send(Wire.LEAVING, 0);
        long quiet = 0;
        while (quiet < QUIET_MILLIS) {
            try {
                Thread.sleep(QUIET_MILLIS / 10);
            } catch (InterruptedException asked) {
                break;
            }
            quiet = running.isBusy() ? 0 : quiet + QUIET_MILLIS / 10;
        }
        output.endLines();
        end.accept(0);
    }

    /** An INVOKE whose caller used an alias, which stands between the request id and the event. */
    private void invokeAs(Wire.Frame frame) {
        byte[] payload = frame.payload;
        int start = REQUEST_ID + 1;
        int event = start + (payload[REQUEST_ID] & 0xFF);
        String alias = new String(payload, start, event - start, StandardCharsets.US_ASCII);
        byte[] plain = new byte[REQUEST_ID + payload.length - event];
        System.arraycopy(payload, 0, plain, 0, REQUEST_ID);
        System.arraycopy(payload, event, plain, REQUEST_ID, payload.length - event);
        invoke(new Wire.Frame(Wire.INVOKE, frame.call, plain), alias);
    }

    private void invoke(Wire.Frame frame, String alias) {
        if (threads == null) {
            call(frame, alias);
            return;
        }
        try {
            threads.execute(() -> {
                Thread.currentThread().setContextClassLoader(loaded.loader);
                try {
                    call(frame, alias);
                } catch (Throwable error) {
                    // Nobody else would answer the call: all of them end with the process.
                    error.printStackTrace();
                    end.accept(1);
                }
            });
        } catch (OutOfMemoryError error) {
            // No thread could be made for it.
            fail(frame.call, Failure.thrown(Failure.THROWN, error));
        }
    }

    private void call(Wire.Frame frame, String alias) {
        CallContext context = context(frame, alias, loaded.order.timeoutMillis);
        running.enter(context);
        Handler.Result result = null;
        Failure failure = null;
        try {
            result = handler.call(frame.payload, REQUEST_ID, context);
        } catch (Failure told) {
            failure = told;
        } catch (Throwable error) {
            // Not from the handler: the heap ran out while its event or its result was being made.
            failure = Failure.thrown(Failure.THROWN, error);
        }
        running.leave();
        if (failure == null) {
            try {
                output.endLine(frame.call);
                wire.send(Wire.RESULT, frame.call, result.bytes, 0, result.form);
            } catch (OutOfMemoryError error) {
                // The heap was too small for the frame, of which nothing was written then.
                fail(frame.call, Failure.thrown(Failure.THROWN, error));
            }
        } else {
            fail(frame.call, failure);
        }
    }

    private CallContext context(Wire.Frame frame, String alias, int limitMillis) {
        String request = new String(frame.payload, 0, REQUEST_ID, StandardCharsets.US_ASCII);
        return new CallContext(loaded.order, journal, frame.call, request, alias, limitMillis);
    }

    private void stop() {
        if (loaded != null) {
            preStop();
        }
        output.endLines();
        wire.send(Wire.STOPPED, 0);
    }

    private void preStop() {
        if (loaded.preStopMissing != null) {
            journal.printed(0, loaded.preStopMissing.getMessage());
        }
        if (loaded.preStop == null) {
            return;
        }
        try {
            CallContext context =
                    new CallContext(loaded.order, journal, 0, "", loaded.order.alias, loaded.order.preStopTimeoutMillis);
            loaded.preStop.call(context);
        } catch (Throwable error) {
            Throwable cause = error.getCause() == null ? error : error.getCause();
            for (String line : Stack.lines(cause)) {
                journal.printed(0, line);
            }
        }
    }

    /** Sends FAILED; the error object stands in the log of the call too, as it does in the service. */
    private void fail(int call, Failure failure) {
        byte[] payload = failure.payload();
        output.endLine(call);
        for (String line : new String(payload, StandardCharsets.UTF_8).split("\n")) {
            journal.printed(call, line);
        }
        wire.send(Wire.FAILED, call, payload, failure.code, failure.leaving ? 1 : 0);
        if (failure.leaving) {
            end.accept(1);
        }
    }
}
