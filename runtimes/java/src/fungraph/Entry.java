package fungraph;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/** A method that the configuration names, ready to be called: handler, initializer or pre-stop handler. */
final class Entry {
    private final Method method;
    /** Null for a static method. */
    private final Object instance;

    private Entry(Method method, Object instance) {
        this.method = method;
        this.instance = instance;
    }

    /** The public method of a class that takes (event, context), or the context alone. */
    static Entry of(Class<?> owner, String name, boolean takesEvent, Instances instances) throws Failure {
        Method method = find(owner, name, takesEvent);
        method.setAccessible(true);
        boolean isStatic = Modifier.isStatic(method.getModifiers());
        return new Entry(method, isStatic ? null : instances.of(owner));
    }

    /** The public method of a class that takes nothing and says whether all is well. */
    static Entry beat(Class<?> owner, String name, Instances instances) throws Failure {
        try {
            Method method = owner.getMethod(name);
            Class<?> says = method.getReturnType();
            if (says == boolean.class || says == Boolean.class) {
                method.setAccessible(true);
                return new Entry(method, Modifier.isStatic(method.getModifiers()) ? null : instances.of(owner));
            }
        } catch (NoSuchMethodException missing) {
            // Told below, together with one that says something else.
        }
        throw Failure.config("heartbeat handler '" + name + "' of class '" + owner.getName()
                + "' must be a public method without parameters that returns boolean");
    }

    /** The type of the event, with its parameters. */
    Type eventType() {
        return method.getGenericParameterTypes()[0];
    }

    Object call(Object event, CallContext context) throws InvocationTargetException, IllegalAccessException {
        return method.invoke(instance, event, context);
    }

    Object call(CallContext context) throws InvocationTargetException, IllegalAccessException {
        return method.invoke(instance, context);
    }

    /** What a heartbeat says. */
    boolean call() throws InvocationTargetException, IllegalAccessException {
        return Boolean.TRUE.equals(method.invoke(instance));
    }

    private static Method find(Class<?> owner, String name, boolean takesEvent) throws Failure {
        List<Method> named = new ArrayList<>();
        List<Method> fitting = new ArrayList<>();
        for (Method method : owner.getMethods()) {
            // A bridge is the compiler's: it stands for the method that was written, and hides its types.
            if (method.getName().equals(name) && !method.isBridge()) {
                named.add(method);
                if (fits(method, takesEvent)) {
                    fitting.add(method);
                }
            }
        }
        if (!fitting.isEmpty()) {
            fitting.sort(Comparator.comparing(Entry::rank));
            return fitting.get(0);
        }
        throw named.isEmpty() ? missing(owner, name) : misfit(named.get(0), takesEvent);
    }

    private static boolean fits(Method method, boolean takesEvent) {
        Class<?>[] parameters = method.getParameterTypes();
        int wanted = takesEvent ? 2 : 1;
        return parameters.length == wanted && parameters[wanted - 1].isAssignableFrom(CallContext.class);
    }

    /** Of several methods with one name: that with a String, then by the name of the type, so that it is always the same. */
    private static String rank(Method method) {
        String type = method.getParameterTypes()[0].getName();
        return type.equals("java.lang.String") ? "" : type;
    }

    private static Failure missing(Class<?> owner, String name) {
        for (Method method : owner.getDeclaredMethods()) {
            if (method.getName().equals(name)) {
                return Failure.config("handler '" + name + "' of class '" + owner.getName() + "' is not public");
            }
        }
        return Failure.config("handler '" + name + "' not found in class '" + owner.getName() + "'");
    }

    private static Failure misfit(Method method, boolean takesEvent) {
        StringBuilder has = new StringBuilder();
        for (Class<?> parameter : method.getParameterTypes()) {
            has.append(has.length() == 0 ? "" : ", ").append(parameter.getTypeName());
        }
        String wants = takesEvent ? "2 parameters (event, Context)" : "1 parameter (Context)";
        return Failure.config("handler '" + method.getName() + "' of class '" + method.getDeclaringClass().getName()
                + "' expects to have " + wants + ", but received " + method.getParameterTypes().length + " (" + has
                + "); Context is com.huawei.services.runtime.Context");
    }

    /** The objects that methods are called on: one of each class. */
    static final class Instances {
        private final java.util.Map<Class<?>, Object> made = new java.util.HashMap<>();

        Object of(Class<?> owner) throws Failure {
            Object instance = made.get(owner);
            if (instance == null) {
                instance = make(owner);
                made.put(owner, instance);
            }
            return instance;
        }

        private static Object make(Class<?> owner) throws Failure {
            try {
                Constructor<?> constructor = owner.getDeclaredConstructor();
                constructor.setAccessible(true);
                return constructor.newInstance();
            } catch (InvocationTargetException thrown) {
                Throwable error = thrown.getCause();
                throw Failure.load(
                        "the constructor of class '" + owner.getName() + "' failed: " + Failure.message(error), error);
            } catch (NoSuchMethodException missing) {
                throw Failure.config("class '" + owner.getName() + "' has no constructor without parameters");
            } catch (ReflectiveOperationException | RuntimeException other) {
                throw Failure.config("class '" + owner.getName() + "' cannot be instantiated: " + other);
            }
        }
    }
}
