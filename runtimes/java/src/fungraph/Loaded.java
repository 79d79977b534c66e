package fungraph;

import java.io.File;
import java.io.IOException;

/** The function after LOAD: its entry points, each ready or with the failure that tells why it is not. */
final class Loaded {
    final Order order;
    final FunctionLoader loader;
    final Marshal marshal;
    final Entry handler;
    final Entry initializer;
    final Failure initializerMissing;
    final Entry preStop;
    final Failure preStopMissing;
    /** Null where there is none to ask. */
    final Entry heartbeat;

    private final Entry.Instances instances = new Entry.Instances();

    /** Loads classes, and makes the objects that methods are called on. Throws where the handler cannot be called. */
    Loaded(Order order) throws Failure {
        this.order = order;
        try {
            loader = FunctionLoader.of(order.codeRoot, order.isIsolated);
            Thread.currentThread().setContextClassLoader(loader);
            marshal = loader.marshal();
        } catch (IOException | ReflectiveOperationException | LinkageError error) {
            throw Failure.load("the code package cannot be read: " + error, error);
        }
        handler = entry(order.handler, true);
        Named first = hook(order.initializer);
        initializer = first.entry;
        initializerMissing = first.missing == null ? null : first.missing.ofInitializer();
        Named last = hook(order.preStop);
        preStop = last.entry;
        preStopMissing = last.missing;
        heartbeat = order.heartbeat == null ? null : beat(order.heartbeat);
    }

    private Entry beat(String name) throws Failure {
        try {
            return Entry.beat(load(owner(name)), name.substring(name.lastIndexOf('.') + 1), instances);
        } catch (Failure failure) {
            throw failure.ofHeartbeat();
        }
    }

    private Named hook(String name) {
        if (name == null) {
            return new Named(null, null);
        }
        try {
            return new Named(entry(name, false), null);
        } catch (Failure missing) {
            return new Named(null, missing);
        }
    }

    private Entry entry(String name, boolean takesEvent) throws Failure {
        Class<?> owner = load(owner(name));
        try {
            return Entry.of(owner, name.substring(name.lastIndexOf('.') + 1), takesEvent, instances);
        } catch (LinkageError broken) {
            // A class that a signature names is not there, or does not fit.
            throw Failure.load(explain(owner.getName(), broken), broken);
        }
    }

    /** Its class: all before the last dot. */
    private static String owner(String name) throws Failure {
        int dot = name.lastIndexOf('.');
        if (dot <= 0 || dot == name.length() - 1) {
            throw Failure.config("handler '" + name + "' must have the form package.Class.method");
        }
        return name.substring(0, dot);
    }

    private Class<?> load(String name) throws Failure {
        try {
            return Class.forName(name, true, loader);
        } catch (ClassNotFoundException missing) {
            boolean any = FunctionLoader.hasClasses(new File(order.codeRoot));
            throw Failure.load("not found class '" + name + "'" + (any ? " in the code package" : ": the code package has "
                    + "neither class files nor jars; send compiled code, not sources"), null);
        } catch (ExceptionInInitializerError failed) {
            Throwable error = failed.getCause() == null ? failed : failed.getCause();
            throw Failure.load("class '" + name + "' cannot be initialized: " + Failure.message(error), error);
        } catch (LinkageError broken) {
            throw Failure.load(explain(name, broken), broken);
        }
    }

    private static String explain(String name, LinkageError error) {
        if (error instanceof UnsupportedClassVersionError) {
            return "class '" + name + "' was compiled for a later Java than the " + System.getProperty("java.version")
                    + " that runs it: compile with a lower --release, or install that Java on the host (" + error.getMessage()
                    + ")";
        }
        if (error instanceof NoClassDefFoundError) {
            return "class '" + name + "' cannot be loaded, since a class it needs is missing: " + error.getMessage();
        }
        return "class '" + name + "' cannot be loaded: " + error;
    }

    /** An entry point, or why there is none. */
    private static final class Named {
        final Entry entry;
        final Failure missing;

        Named(Entry entry, Failure missing) {
            this.entry = entry;
            this.missing = missing;
        }
    }
}
