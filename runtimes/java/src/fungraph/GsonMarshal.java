package fungraph;

import com.google.gson.FieldNamingPolicy;
import com.google.gson.FieldNamingStrategy;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import java.lang.reflect.Field;
import java.lang.reflect.Type;

/**
 * The marshal there is, by Gson: compact, without nulls, without escapes for HTML.
 *
 * <p>A function that brings a Gson of its own gets this class a second time, loaded beside that Gson: annotations and
 * JsonObject are then those the function knows. So it must use nothing of ours but {@link Marshal}.
 */
final class GsonMarshal implements Marshal, FieldNamingStrategy {
    private final Gson gson =
            new GsonBuilder().disableHtmlEscaping().setFieldNamingStrategy(this).create();

    @Override
    public Object read(String json, Type type) {
        return gson.fromJson(json, type);
    }

    @Override
    public String write(Object value) {
        return gson.toJson(value);
    }

    /** Fields of event classes bear the names of JSON, with an underscore for what Java allows in no name. */
    @Override
    public String translateName(Field field) {
        String name = FieldNamingPolicy.IDENTITY.translateName(field);
        boolean dashes = name.startsWith("x_") && field.getDeclaringClass().getSimpleName().startsWith("ResponseElements");
        return dashes ? name.replace('_', '-') : name;
    }
}
