package fungraph;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.util.LinkedHashMap;
import java.util.Map;

/** LOAD's object: all that is known of the function. */
final class Order {
    final String handler;
    final String initializer;
    final String preStop;
    final String heartbeat;
    final boolean isIsolated;
    final int timeoutMillis;
    final int initializerTimeoutMillis;
    final int preStopTimeoutMillis;
    final int atOnce;
    final int memory;
    final int cpu;
    final int mostResultBytes;
    final String project;
    final String appPackage;
    final String function;
    final String version;
    final String alias;
    final String codeRoot;
    final Map<String, String> userData;
    final Map<String, String> environment;

    @SuppressWarnings("deprecation") // The newer form of the parser is missing from Gson before 2.8.6.
    Order(String text) {
        JsonObject order = new JsonParser().parse(text).getAsJsonObject();
        handler = text(order, "handler");
        initializer = text(order, "initializer");
        preStop = text(order, "pre_stop");
        heartbeat = text(order, "heartbeat");
        isIsolated = order.has("class_isolation") && order.get("class_isolation").getAsBoolean();
        timeoutMillis = number(order, "timeout_ms");
        initializerTimeoutMillis = number(order, "initializer_timeout_ms");
        preStopTimeoutMillis = number(order, "pre_stop_timeout_ms");
        atOnce = number(order, "concurrent_num");
        memory = number(order, "memory_mb");
        cpu = number(order, "cpu_millicores");
        mostResultBytes = number(order, "max_result_bytes");
        project = text(order, "project_id");
        appPackage = text(order, "package");
        function = text(order, "function");
        version = text(order, "version");
        alias = text(order, "alias");
        codeRoot = text(order, "code_root");
        userData = texts(order, "user_data");
        environment = texts(order, "env");
    }

    private static String text(JsonObject order, String key) {
        JsonElement value = order.get(key);
        return value == null || value.isJsonNull() ? null : value.getAsString();
    }

    private static int number(JsonObject order, String key) {
        // A function may have days; more milliseconds than an int holds are as good as that many.
        return (int) Math.min(order.get(key).getAsLong(), Integer.MAX_VALUE);
    }

    private static Map<String, String> texts(JsonObject order, String key) {
        Map<String, String> texts = new LinkedHashMap<>();
        for (Map.Entry<String, JsonElement> entry : order.getAsJsonObject(key).entrySet()) {
            texts.put(entry.getKey(), entry.getValue().getAsString());
        }
        return texts;
    }
}
