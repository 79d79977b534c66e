package templates;

import com.google.gson.JsonObject;
import com.huawei.services.runtime.Context;

/** Says hello to whoever the event names. */
public class Hello {
    public String handle(JsonObject event, Context context) {
        String name = event.has("name") ? event.get("name").getAsString() : "world";
        context.getLogger().log("saying hello to " + name);
        return "Hello, " + name + "!";
    }
}
