package fungraph;

/**
 * Loads one Java function and answers its calls: the inside end of crates/instance/PROTOCOL.md.
 *
 * <p>Written in Java 8, and compiled by the JDK that runs it. Classes few and small, no library but Gson, no java.time, no
 * streams, no regular expressions on the way to the first call: each costs a start some milliseconds.
 */
public final class Bootstrap {
    private static final int SOCKET = 3;

    private Bootstrap() {}

    /** Serves until the platform is done with us, and exits as the protocol says. */
    public static void main(String[] arguments) throws Exception {
        if (arguments.length > 0 && arguments[0].equals("rehearse")) {
            Rehearsal.play(() -> false);
            return;
        }
        Wire wire = Wire.onDescriptor(SOCKET);
        Session session = new Session(wire, Runtime.getRuntime()::halt);
        session.hello();
        // Nobody asks yet, mostly: the time goes into what the first call would have to wait for.
        Rehearsal.play(wire::isAsked);
        session.takeOutput();
        Runtime.getRuntime().addShutdownHook(new Thread(session::endLines));
        int status = 1;
        try {
            session.serve();
            status = 0;
        } catch (Throwable broken) {
            // Nobody else is left to tell it to.
            broken.printStackTrace();
        } finally {
            // Threads of the user's, and hooks, are not waited for.
            Runtime.getRuntime().halt(status);
        }
    }
}
