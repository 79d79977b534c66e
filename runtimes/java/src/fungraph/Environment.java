package fungraph;

import java.lang.reflect.Field;
import java.util.Map;

/**
 * Variables that the process gets after its start, as LOAD says. Java reads its environment once and keeps it behind a
 * wall; the map behind that wall is what System.getenv shows and what child processes get.
 */
final class Environment {
    private Environment() {}

    static void put(Map<String, String> variables) {
        try {
            Map<String, String> shown = System.getenv();
            Field behind = shown.getClass().getDeclaredField("m");
            behind.setAccessible(true);
            @SuppressWarnings("unchecked")
            Map<String, String> real = (Map<String, String>) behind.get(shown);
            real.putAll(variables);
        } catch (ReflectiveOperationException | RuntimeException other) {
            throw new IllegalStateException("this Java keeps its environment elsewhere", other);
        }
    }
}
