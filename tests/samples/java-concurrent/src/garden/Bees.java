package garden;

import com.huawei.services.runtime.Context;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;

/** All bees meet before one returns. */
public class Bees {
    private final CyclicBarrier all = new CyclicBarrier(4);

    public static class Bee {
        private String name;
    }

    public Map<String, String> fly(Bee bee, Context context) throws Exception {
        all.await(10, TimeUnit.SECONDS);
        System.out.println("printed by " + bee.name);
        Thread helper = new Thread(() -> System.out.println("helped " + bee.name));
        helper.start();
        helper.join();
        Map<String, String> seen = new LinkedHashMap<>();
        seen.put("name", bee.name);
        seen.put("request", context.getRequestID());
        return seen;
    }
}
