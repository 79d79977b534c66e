package fungraph;

import java.lang.reflect.Type;

/**
 * JSON to a handler's parameter, and a handler's result to JSON.
 *
 * <p>Public, because {@link FunctionLoader} loads one implementation in a package that is not this one to Java.
 */
public interface Marshal {
    /** The value of a type that a JSON text holds. Throws what the library throws where it does not fit. */
    Object read(String json, Type type);

    /** A value as JSON. Throws what the library throws where there is none. */
    String write(Object value);
}
