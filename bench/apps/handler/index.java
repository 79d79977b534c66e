import java.util.LinkedHashMap;
import java.util.Map;

/** The function that is measured: what fungraph runs, and what the bare loop calls. */
public class index {
    public static Map<String, Object> handler(Map<String, Object> event, Object context) {
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("message", "hello " + event.getOrDefault("name", "nobody"));
        result.put("length", event.size());
        return result;
    }
}
